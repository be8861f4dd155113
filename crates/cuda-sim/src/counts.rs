//! What a launch did, counted: the measure of how a kernel uses the memory.

/// Counts of one or more launches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counts {
    /// Launches.
    pub launches: u64,
    /// Instructions, one for each warp that ran it.
    pub warp_instructions: u64,
    /// Instructions, one for each lane that ran it.
    pub lane_instructions: u64,
    /// Loads and stores of global memory, one for each warp.
    pub global_accesses: u64,
    /// Bytes that they asked for.
    pub global_bytes: u64,
    /// 32-byte sectors that they touched.
    pub sectors: u64,
    /// Sectors that would have done, were the same bytes side by side.
    pub ideal_sectors: u64,
    /// Loads and stores of shared memory, one for each warp.
    pub shared_accesses: u64,
    /// How often the banks had to be asked for them; as often as there were accesses, without conflicts.
    pub shared_ways: u64,
    /// Tensor-core products.
    pub mma: u64,
}

impl Counts {
    /// Sectors touched for each that would have done.
    pub fn sector_ratio(&self) -> f64 {
        self.sectors as f64 / self.ideal_sectors.max(1) as f64
    }

    /// Times the banks were asked for each access.
    pub fn bank_ways(&self) -> f64 {
        self.shared_ways as f64 / self.shared_accesses.max(1) as f64
    }
}
