//! What `tests/bench/run` measures with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use doorward_bench::{baseline, paced, sessions, steps, tokens};

const USAGE: &str = "usage: doorward-bench sessions DIR LISTEN PEOPLE [ISSUER]
       doorward-bench tokens DIR LISTEN STORE COUNT
       doorward-bench paced ADDRESS REQUESTS FROM COUNT RATE
       doorward-bench baseline LISTEN HEADERS
       doorward-bench steps [N STEP]

sessions   signs people in to a gateway's store; leaves configuration and requests to replay in DIR
tokens     the same with API tokens, in the store at STORE
paced      sends COUNT of the requests of a file, from number FROM on, RATE a second (0: as fast as they are answered)
baseline   serves what actix-web costs by itself
steps      does a step of a check N times, or lists the steps; what N more turns cost is the step's alone";

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context(USAGE);
    match next()?.as_str() {
        "sessions" => {
            let (dir, listen, people) = (PathBuf::from(next()?), next()?, next()?);
            sessions::write(&dir, &listen, people.parse().context(USAGE)?, next().ok().as_deref()).await
        }
        "tokens" => {
            let (dir, listen, store, count) = (PathBuf::from(next()?), next()?, next()?, next()?);
            tokens::write(&dir, &listen, &store, count.parse().context(USAGE)?).await
        }
        "paced" => {
            let (to, file) = (next()?.parse().context(USAGE)?, PathBuf::from(next()?));
            let mut number = || next()?.parse::<u32>().context(USAGE);
            load(to, &file, number()?, number()?, number()?).await
        }
        "baseline" => {
            let (listen, headers) = (next()?, PathBuf::from(next()?));
            baseline::serve(&listen, &headers).await
        }
        "steps" => match next() {
            Ok(turns) => turn(turns.parse().context(USAGE)?, &next()?).await,
            Err(_) => list().await,
        },
        _ => bail!(USAGE),
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
async fn load(to: SocketAddr, file: &Path, from: u32, count: u32, rate: u32) -> anyhow::Result<()> {
    let took = paced::send(to, file, usize::try_from(from)?, usize::try_from(count)?, rate).await?;
    println!("figures {} {} {}", took.requests, took.median.as_micros(), took.p99.as_micros());
    Ok(())
}

async fn turn(turns: usize, wanted: &str) -> anyhow::Result<()> {
    let mut steps = steps::steps(Some(wanted)).await?;
    let step = steps.all.first_mut().with_context(|| format!("there is no step {wanted}"))?;
    (0..turns).for_each(|_| (step.once)());
    steps.gateway.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
async fn list() -> anyhow::Result<()> {
    let steps = steps::steps(None).await?;
    for step in &steps.all {
        println!("{}", step.name);
    }
    steps.gateway.stop().await;
    Ok(())
}
