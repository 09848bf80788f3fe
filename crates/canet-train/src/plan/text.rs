//! A plan in words.

use std::fmt::{Display, Formatter, Result};

use super::{Advice, DiskPlan, GpuPlan, MIB, MemoryPlan, Plan, TimePlan};
use crate::progress::duration;

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(gpu) = &self.gpu {
            gpu.write(f, self.tried_steps)?;
        }
        match (&self.memory, &self.gpu) {
            (Some(memory), None) => memory.write(f, self.tried_steps)?,
            (Some(memory), Some(_)) => memory.write_beside(f)?,
            (None, Some(_)) => {}
            (None, None) => {
                writeln!(f, "memory      not known: this device or system does not tell")?;
            }
        }
        match &self.time {
            Some(time) => time.write(f)?,
            None => writeln!(f, "time        not known: no whole step was tried")?,
        }
        self.disk.write(f)?;
        if self.fits() {
            return write!(f, "it fits; {} was not made", self.out.display());
        }
        write!(f, "it does NOT fit")?;
        if !self.disk.fits() {
            write!(f, "\n  choose an --out on another disk, or make room")?;
        }
        if self.gpu.is_some() && !self.memory.as_ref().is_none_or(MemoryPlan::fits) {
            write!(f, "\n  the machine's memory is too small; lower --threads or data.batch")?;
        }
        for advice in &self.advice {
            advice.write(f)?;
        }
        Ok(())
    }
}

/// How training was measured.
fn measured(tried_steps: u64) -> String {
    match tried_steps {
        0 => "predicted from one frame".to_owned(),
        1 => "measured in 1 step".to_owned(),
        steps => format!("measured in {steps} steps"),
    }
}

impl GpuPlan {
    fn write(&self, f: &mut Formatter<'_>, tried_steps: u64) -> Result {
        let Self { peak_mib, training_mib, validation_mib, tensors_mib, available_mib, total_mib } =
            *self;
        let of = format!("{available_mib} MiB that are free of {total_mib}");
        writeln!(f, "GPU memory  {peak_mib} MiB of {of}")?;
        let how = measured(tried_steps);
        writeln!(f, "  training    {training_mib} MiB, {how} and a validation")?;
        writeln!(f, "  tensors     {tensors_mib} MiB of it at most, measured")?;
        writeln!(f, "  validation  {validation_mib} MiB at most before whole steps, measured")
    }
}

impl MemoryPlan {
    /// Beside a GPU, where it is the loader's and the checkpoints'.
    fn write_beside(&self, f: &mut Formatter<'_>) -> Result {
        let of = match self.available_mib {
            Some(available) => format!(" of {available} MiB that are free"),
            None => String::new(),
        };
        writeln!(f, "memory      {} MiB{of}, for the loader and checkpoints", self.peak_mib)
    }

    fn write(&self, f: &mut Formatter<'_>, tried_steps: u64) -> Result {
        let of = match self.available_mib {
            Some(available) => format!(" of {available} MiB that are free"),
            None => String::new(),
        };
        writeln!(f, "memory      {} MiB{of}", self.peak_mib)?;
        let how = measured(tried_steps);
        writeln!(f, "  training    {} MiB, {how}", self.training_mib)?;
        writeln!(f, "  validation  {} MiB at most, measured", self.validation_mib)?;
        writeln!(f, "  saving      {} MiB, computed", self.saving_mib)
    }
}

impl TimePlan {
    fn write(&self, f: &mut Formatter<'_>) -> Result {
        let Self { step, steps_per_epoch, epoch, validation, run } = *self;
        writeln!(f, "time        {} for the whole run", duration(run))?;
        let epoch = duration(epoch);
        writeln!(f, "  an epoch    {epoch}: {steps_per_epoch} steps of {step:.2} s")?;
        writeln!(f, "  validation  {}", duration(validation))
    }
}

impl DiskPlan {
    fn write(&self, f: &mut Formatter<'_>) -> Result {
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / MIB);
        let of = match self.free_bytes {
            Some(free) => format!(" of {} that are free", mib(free)),
            None => String::new(),
        };
        writeln!(f, "disk        {}{of}, for checkpoints", mib(self.peak_bytes))?;
        let (resumable, best) = (mib(self.resumable_bytes), mib(self.best_bytes));
        writeln!(f, "  last, previous, and the one being written   {resumable} each")?;
        writeln!(f, "  best, without the optimiser's state          {best}")
    }
}

impl Advice {
    fn write(&self, f: &mut Formatter<'_>) -> Result {
        let set: Vec<String> = self.set.iter().map(|set| format!("--set '{set}'")).collect();
        if set.is_empty() {
            return write!(f, "\n  {} ({} MiB)", self.effect, self.peak_mib);
        }
        write!(f, "\n  {}  -> {} MiB\n    ({})", set.join(" "), self.peak_mib, self.effect)
    }
}
