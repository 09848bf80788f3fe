use super::*;
use crate::config::Config;

/// Invented numbers: libraries and weights take 600 MiB, a frame of a batch of 16 takes 500, and a
/// validation beside a recorded pass 400.
fn footprint() -> Footprint {
    let mut footprint =
        Footprint::of_one_frame([500.0, 1_100.0, 1_400.0], [100.0, 0.0, 100.0, 0.0], 16);
    footprint.measured(16, 8_600.0);
    footprint.beside(400.0);
    footprint
}

fn plan(available: Option<u64>, host_available: u64) -> Plan {
    let start = Reading { free: 80_000.9, total: 81_559.4, tensors: 0.0 };
    let host = Footprint::of_one_frame([400.0, 2_000.0, 2_000.0], [0.0, 200.0, 0.0, 0.0], 16);
    Plan {
        data: "data".into(),
        out: "out".into(),
        tried_steps: 3,
        gpu: Some(GpuPlan::new(&footprint(), (start, 8_100.2), 16, available)),
        memory: Some(MemoryPlan {
            peak_mib: 3_000,
            ..MemoryPlan::new(&host, 16, Some(host_available))
        }),
        time: None,
        disk: DiskPlan { resumable_bytes: 3, best_bytes: 1, peak_bytes: 10, free_bytes: None },
        advice: Vec::new(),
    }
}

#[test]
fn a_gpu_decides_whether_a_run_fits() {
    // A step on 16 frames and a validation take 9000, and a tenth is the margin.
    for (available, host, fits) in [
        (None, 64_000, true),
        (Some(9_900), 64_000, true),
        (Some(9_899), 64_000, false),
        // Without its loader no run goes on.
        (None, 2_999, false),
    ] {
        let plan = plan(available, host);
        assert_eq!(plan.gpu.as_ref().unwrap().peak_mib, 9_900);
        assert_eq!(plan.fits(), fits, "{available:?} {host}");
        let text = plan.to_string();
        let free = available.unwrap_or(80_000);
        let head = format!("GPU memory  9900 MiB of {free} MiB that are free of 81559\n");
        for part in [
            head.as_str(),
            "training    9000 MiB, measured in 3 steps and a validation\n",
            "tensors     8101 MiB of it at most, measured\n",
            "validation  1400 MiB at most before whole steps, measured\n",
            &format!("memory      3000 MiB of {host} MiB that are free, for the loader"),
        ] {
            assert!(text.contains(part), "{part:?} is missing:\n{text}");
        }
        assert_eq!(text.contains("does NOT fit"), !fits, "{text}");
        assert_eq!(text.contains("--threads"), host == 2_999, "{text}");
    }
}

/// What is advised for a GPU follows from its own numbers, and is predicted to fit there.
#[test]
fn a_gpu_that_is_too_small_is_told_the_batch_that_fits() {
    let mut config = Config::default();
    config.data.batch = 16;
    config.data.augment.crop = Some((480, 480));
    for (available, batch) in [(9_899, 15), (6_000, 8), (1_700, 1)] {
        let footprint = footprint();
        assert_eq!(footprint.fitting(available), batch, "{available}");
        let advice = footprint.advice(&config, (640, 480), available);
        assert_eq!(advice[0].set[0], format!("data.batch={batch}"));
        assert!(advice[0].peak_mib <= available, "{advice:?}");
        let whole = Plan { advice, ..plan(Some(available), 64_000) };
        assert!(whole.to_string().contains(&format!("--set 'data.batch={batch}'")), "{whole}");
    }
    assert_eq!(footprint().fitting(1_000), 0);
}

/// The keys that programs read.
#[test]
fn a_plan_for_a_gpu_as_json() {
    let json = serde_json::to_value(plan(None, 64_000)).unwrap();
    let gpu = serde_json::json!({
        "peak_mib": 9900,
        "training_mib": 9000,
        "validation_mib": 1400,
        "tensors_mib": 8101,
        "available_mib": 80_000,
        "total_mib": 81_559,
    });
    assert_eq!(json["gpu"], gpu);
}
