//! The steps of a check, timed by criterion: `cargo bench -p doorward-bench`.

use criterion::{Criterion, criterion_group, criterion_main};

fn parts(criterion: &mut Criterion) {
    actix_web::rt::System::new().block_on(async {
        #[expect(clippy::expect_used, reason = "a bench has nobody to report to")]
        let steps = doorward_bench::steps::steps(None).await.expect("the steps of a check");
        for mut step in steps.all {
            criterion.bench_function(step.name, |bencher| bencher.iter(&mut step.once));
        }
        steps.gateway.stop().await;
    });
}

criterion_group!(benches, parts);
criterion_main!(benches);
