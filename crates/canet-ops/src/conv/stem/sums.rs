//! What is summed over windows, slab by slab.

use super::windows::{Block, Windows};
use crate::tasks::map_tasks;

/// Sums of some rows, and of the products of each with each tap, row by row.
pub(super) struct Sums {
    pub(super) rows: Vec<f64>,
    pub(super) products: Vec<f64>,
}

impl Sums {
    /// Over all windows. The slabs are cut by shape alone, and their sums are added in order, so they do not depend on the
    /// threads.
    pub(super) fn of_slabs(
        windows: &Windows,
        [rows, taps]: [usize; 2],
        of: impl Fn(&[Block]) -> Self + Sync,
    ) -> Self {
        let slabs = windows.slabs();
        let of_slabs = map_tasks(slabs.len(), 1, |slab| of(&slabs[slab]));
        let zero = Self { rows: vec![0.0; rows], products: vec![0.0; rows * taps] };
        of_slabs.into_iter().fold(zero, Self::and)
    }

    fn and(mut self, other: Self) -> Self {
        let add = |to: &mut [f64], from: Vec<f64>| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        };
        add(&mut self.rows, other.rows);
        add(&mut self.products, other.products);
        self
    }
}
