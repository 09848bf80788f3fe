//! Refused steps within a run.

use super::*;
use crate::step::tests::job;

/// Trains an epoch whose steps are all poisoned, until the run ends or the epoch does.
fn poisoned_epoch(run: &mut Run) -> Result<bool> {
    let sound = run.stepper.normalisation;
    run.stepper.normalisation.mean[0] = f32::NAN;
    let done = run.epoch(&AtomicBool::new(false));
    run.stepper.normalisation = sound;
    done
}

#[test]
fn refused_steps_are_counted_and_end_the_run_beyond_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = job(dir.path());
    job.config.skip_bad = 2;
    let weights = |run: &Run| weight_hash(&run.stepper.params.tensors()).unwrap();
    let (first, steps) = {
        let mut run = Run::new(&job).unwrap();
        run.save_last().unwrap();
        let first = weights(&run);
        let error = poisoned_epoch(&mut run).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        let text = error.to_string();
        assert!(text.contains("step 3") && text.contains("diverged-step-3.json"), "{text}");
        assert!(text.contains("--skip-bad 3"), "{text}");
        assert_eq!(weights(&run), first);
        (first, run.steps_per_epoch)
    };
    for step in 1..=3 {
        let path = dir.path().join(format!("run/diverged-step-{step}.json"));
        let note: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(note["step"], step);
    }
    // What was saved is the state before step 3, with the count; a higher limit needs no --allow.
    job.config.skip_bad = steps;
    job.resume = true;
    let mut run = Run::new(&job).unwrap();
    assert_eq!((run.state.skipped, run.state.cursor.step), (2, 2));
    assert_eq!(weights(&run), first);
    assert!(poisoned_epoch(&mut run).unwrap());
    assert_eq!((run.state.skipped, run.state.cursor.skipped), (steps, steps));
    assert_eq!(run.state.cursor.loss().to_bits(), 0.0_f64.to_bits());
    // The next is one too many.
    run.state.cursor = Cursor { epoch: 1, step: steps, ..Cursor::default() };
    assert_eq!(poisoned_epoch(&mut run).unwrap_err().exit_code(), 4);
    // Saved by the run that has ended: all of it is exact.
    drop(run);
    let run = Run::new(&job).unwrap();
    assert_eq!((run.state.skipped, run.state.cursor.step), (steps, steps));
    assert_eq!(weights(&run), first);
}
