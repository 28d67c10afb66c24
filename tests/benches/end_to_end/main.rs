//! Mainstay on a real Apache Kafka, measured beside what the same client does with the same topic when it
//! does nothing else. `docs/benchmarks.md` says how to run it and what its lines mean.
//!
//! Floors and Mainstay take turns, each as a process of its own, so that whatever else the machine does
//! meets all of them. Every process ends with its owner here, also when something goes wrong.

mod floor;
mod machine;
mod pipeline;
mod plan;
mod report;
mod topic;

use mainstay_tests::{Broker, broker};

use crate::floor::Floor;
use crate::plan::Plan;
use crate::report::Report;
use crate::topic::Topic;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(asked) = floor::asked(&args) {
        return floor::measure_in_this_process(&asked);
    }
    // Cargo says this when it benches, and not when it only tries whether everything runs.
    if !args.iter().any(|arg| arg == "--bench") {
        return println!(
            "nothing was measured: `cargo bench -p mainstay-tests --bench end_to_end` does that"
        );
    }
    let report = measure(&Plan::from_environment());
    print!("{}", report.as_table());
    let path = report.write();
    println!("\nThe same as JSON, with every run: {}", path.display());
}

fn measure(plan: &Plan) -> Report {
    let machine = machine::look();
    println!("{}", machine.describe());
    let own = own_broker();
    let brokers = own.as_ref().map_or_else(broker::shared, Broker::address);
    println!(
        "loading {} events into {} partitions",
        plan.events,
        topic::PARTITIONS
    );
    let topic = Topic::load(&brokers, plan);
    let mut report = Report::new(machine, plan, &topic);
    for run in 1..=plan.runs {
        for floor in Floor::ALL {
            println!("run {run} of {}: {}", plan.runs, floor.name());
            report.floors[*floor as usize].push(floor::measure(*floor, &topic));
        }
        println!("run {run} of {}: mainstay", plan.runs);
        let last = run == plan.runs;
        let mut behind = pipeline::catch_up(&topic, own.as_ref());
        report.mainstay.push(behind.measured);
        if last {
            println!(
                "live: {} events/s for {} s",
                plan.live_rate, plan.live_seconds
            );
            report.live = Some(pipeline::live(&mut behind, &topic, plan, own.as_ref()));
        }
        behind.stop();
    }
    topic.delete();
    report
}

/// A broker of our own, unless the environment names one.
fn own_broker() -> Option<Broker> {
    match std::env::var_os(broker::GIVEN) {
        Some(_) => None,
        None => Some(Broker::start_to_measure()),
    }
}
