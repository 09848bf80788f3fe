//! How much memory is held throughout a trial: by this process, and on the GPU that it computes on.

use canet_model::Device;

use crate::{Result, memory};

/// What a GPU tells at one moment, in MiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    /// What nobody has taken.
    pub(super) free: f64,
    /// All that it has.
    pub(super) total: f64,
    /// The most that tensors took at once since the reading before. What a recorded pass works in is
    /// not counted.
    pub(super) tensors: f64,
}

impl Reading {
    /// Waits for the GPU and asks it; `None` for devices that do not tell.
    #[cfg(feature = "cuda")]
    pub(super) fn of(device: &Device) -> Result<Option<Self>> {
        use canet_ops::cuda;

        if !device.is_cuda() {
            return Ok(None);
        }
        let mib = |bytes: u64| bytes as f64 / super::MIB;
        let [free, total] = cuda::memory(device)?.map(mib);
        let [tensors, _] = cuda::pool_peak(device)?.map(mib);
        Ok(Some(Self { free, total, tensors }))
    }

    /// No device of this build tells.
    #[cfg(not(feature = "cuda"))]
    #[expect(clippy::unnecessary_wraps, reason = "a GPU can fail")]
    pub(super) fn of(_: &Device) -> Result<Option<Self>> {
        Ok(None)
    }
}

/// What was taken of a GPU since the start of a trial, in MiB.
///
/// It is the drop of free memory, so all is in it: tensors, what the pool keeps for them, recorded
/// passes, and what the driver's libraries take. The pool keeps what is freed, until a pass is recorded:
/// who looks after every step misses nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taken {
    pub(super) start: Reading,
    most: f64,
    /// The most that tensors took at once, since that was forgotten.
    pub(super) tensors: f64,
}

impl Taken {
    pub(super) fn since(start: Reading) -> Self {
        Self { start, most: 0.0, tensors: 0.0 }
    }

    /// The most that was taken until now.
    pub(super) fn look(&mut self, now: Reading) -> f64 {
        self.most = self.most.max(self.start.free - now.free);
        self.tensors = self.tensors.max(now.tensors);
        self.most
    }
}

/// MiB that were held, where they can be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Held {
    pub(super) host: Option<f64>,
    pub(super) gpu: Option<f64>,
}

/// The gauges of a trial.
pub(super) struct Gauges<'a> {
    device: &'a Device,
    pub(super) gpu: Option<Taken>,
}

impl<'a> Gauges<'a> {
    /// To be made before anything of the trial is.
    pub(super) fn start(device: &'a Device) -> Result<Self> {
        Ok(Self { device, gpu: Reading::of(device)?.map(Taken::since) })
    }

    /// What is held now. (On a GPU, where this is asked first, it is also the most until now.)
    pub(super) fn now(&mut self) -> Result<Held> {
        let host = memory::resident_mib().map(|mib| mib as f64);
        Ok(Held { host, ..self.most()? })
    }

    /// Counts anew what tensors take at most.
    pub(super) fn forget_tensors(&mut self) {
        if let Some(taken) = &mut self.gpu {
            taken.tensors = 0.0;
        }
    }

    /// The most that was held until now.
    pub(super) fn most(&mut self) -> Result<Held> {
        let host = memory::peak_mib().map(|mib| mib as f64);
        let gpu = match (&mut self.gpu, Reading::of(self.device)?) {
            (Some(taken), Some(now)) => Some(taken.look(now)),
            _ => None,
        };
        Ok(Held { host, gpu })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_the_deepest_drop_of_free_memory() {
        let reading = |free: f64, tensors: f64| Reading { free, total: 81_000.0, tensors };
        let mut taken = Taken::since(reading(80_000.0, 5.0));
        // What was given back was held all the same, and other programs may give memory back, too.
        for (free, tensors, most) in [
            (80_500.0, 10.0, 0.0),
            (71_000.0, 8_000.0, 9_000.0),
            (75_000.0, 300.0, 9_000.0),
            (70_000.0, 200.0, 10_000.0),
        ] {
            assert_eq!((taken.look(reading(free, tensors)),), (most,), "{free}");
        }
        assert_eq!((taken.start.free, taken.tensors), (80_000.0, 8_000.0));
    }

    #[test]
    fn a_cpu_has_no_memory_of_its_own() {
        let mut gauges = Gauges::start(&Device::Cpu).unwrap();
        assert!(gauges.gpu.is_none());
        let (now, most) = (gauges.now().unwrap(), gauges.most().unwrap());
        assert_eq!((now.gpu, most.gpu), (None, None));
        assert!(!cfg!(target_os = "linux") || now.host.unwrap() <= most.host.unwrap());
    }
}
