//! What `tests/bench/run` measures with.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use doorward_bench::{baseline, sessions, steps};

const USAGE: &str =
    "usage: doorward-bench sessions DIR LISTEN PEOPLE | baseline LISTEN HEADERS | steps [N STEP]

sessions   signs people in to a gateway's store; leaves configuration and requests to replay in DIR
baseline   serves what actix-web costs by itself
steps      does a step of a check N times, or lists the steps; what N more turns cost is the step's alone";

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context(USAGE);
    match next()?.as_str() {
        "sessions" => {
            let (dir, listen, people) = (PathBuf::from(next()?), next()?, next()?);
            sessions::write(&dir, &listen, people.parse().context(USAGE)?).await
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
