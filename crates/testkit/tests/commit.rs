//! The machine of `mainstay-commit` against everything that can go wrong, on the simulated broker.
//!
//! Every run ends with the same question: did a read_committed reader get each count once, and does the
//! changelog hold what the outputs say?

use std::panic::{AssertUnwindSafe, catch_unwind};

use mainstay_testkit::Rng;
use mainstay_testkit::broker::{Deed, World};

/// Lets a deed happen and the rest go by the fixed schedule; on failure, tells what was done.
fn run(world: &World, deed: Deed, told: &str) {
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let mut world = world.clone();
        world.take(deed);
        world.finish();
    }));
    assert!(ended.is_ok(), "failed with {told} {deed:?}");
}

/// The world at each step of the fixed schedule, until all is committed, and a little longer.
fn steps(mut world: World) -> Vec<World> {
    let mut steps = Vec::new();
    let mut after = 0;
    while after < 5 {
        after += usize::from(world.is_complete());
        steps.push(world.clone());
        if !world.go_on() {
            break;
        }
    }
    steps
}

fn two_instances() -> World {
    World::new(2, vec![vec![1, 2, 1], vec![1, 1, 3]], true)
}

#[test]
fn without_faults_every_record_counts_once() {
    two_instances().finish();
    World::new(1, vec![vec![1, 2, 1]; 4], false).finish();
}

#[test]
fn anything_may_go_wrong_once_at_every_step() {
    for (at, world) in steps(two_instances()).iter().enumerate() {
        for deed in world.deviations() {
            run(world, deed, &format!("at step {at}"));
        }
    }
}

#[test]
fn anything_may_go_wrong_twice_close_together() {
    for (at, world) in steps(two_instances()).iter().enumerate() {
        for first in world.deviations() {
            let mut next = world.clone();
            next.take(first);
            for gap in 0..3 {
                for second in next.deviations() {
                    run(
                        &next,
                        second,
                        &format!("at step {at} {first:?}, {gap} steps later"),
                    );
                }
                if gap < 2 && !next.go_on() {
                    break;
                }
            }
        }
    }
}

#[test]
fn long_walks_with_faults_at_random_lose_nothing_and_say_nothing_twice() {
    for seed in 0..400 {
        walk(seed);
    }
}

fn walk(seed: u64) {
    let mut rng = Rng::new(seed);
    let shards = 1 + rng.below(4) as usize;
    let inputs = (0..shards)
        .map(|_| (0..40).map(|_| rng.below(5) as u8).collect())
        .collect();
    let mut world = World::new(1 + rng.below(3) as usize, inputs, seed.is_multiple_of(2));
    let rarely = [3, 10, 40][rng.below(3) as usize];
    let told = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..400 {
            let deeds = match rng.below(rarely) {
                0 => world.deviations(),
                _ => world.able(),
            };
            if deeds.is_empty() {
                world.go_on();
                continue;
            }
            world.take(deeds[rng.below(deeds.len() as u64) as usize]);
        }
        world.finish();
    }));
    assert!(told.is_ok(), "failed with seed {seed}");
}
