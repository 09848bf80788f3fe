//! A budget of bytes that all requests share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in these.
const UNIT: usize = 1 << 10;

/// So many bytes may be held at one time.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    all: u32,
}

/// Bytes that are held; dropping gives them back.
#[derive(Debug)]
pub(crate) struct Held {
    permit: OwnedSemaphorePermit,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let all = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        Self { units: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Holds nothing yet.
    pub(crate) fn none(&self) -> Option<Held> {
        let permit = self.units.clone().try_acquire_many_owned(0).ok()?;
        Some(Held { permit, bytes: 0 })
    }

    /// Holds more; false if there is no more now.
    pub(crate) fn add(&self, held: &mut Held, bytes: usize) -> bool {
        held.bytes += bytes;
        let wanted = held.bytes.div_ceil(UNIT).saturating_sub(held.permit.num_permits());
        match self.units.clone().try_acquire_many_owned(wanted as u32) {
            Ok(more) => {
                held.permit.merge(more);
                true
            }
            Err(_) => false,
        }
    }

    /// Holds so many as soon as they are free; of what is more than there ever are, all.
    pub(crate) async fn wait(&self, bytes: usize) -> Option<Held> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.all);
        let permit = self.units.clone().acquire_many_owned(units).await.ok()?;
        Some(Held { permit, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_held_and_given_back() {
        let budget = Budget::new(3 * UNIT);
        let mut first = budget.none().unwrap();
        assert!(budget.add(&mut first, 1) && budget.add(&mut first, UNIT - 1));
        assert_eq!(budget.units.available_permits(), 2);
        assert!(budget.add(&mut first, 1));
        let mut second = budget.none().unwrap();
        assert!(budget.add(&mut second, UNIT));
        assert!(!budget.add(&mut second, 1));
        drop(first);
        assert!(budget.add(&mut second, 1));
        drop(second);
        assert_eq!(budget.units.available_permits(), 3);
    }
}
