//! Draws that a reader of a vector knows again.

use core::convert::Infallible;
use rand_core::{TryCryptoRng, TryRng};

/// Draws that are runs of one byte: `first`, then `first + 1`, and so on, wrapping.
#[derive(Debug, Clone)]
pub struct Runs(u8);

impl Runs {
    /// Begins with runs of `first`.
    pub fn from(first: u8) -> Self {
        Self(first)
    }
}

impl TryRng for Runs {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        self.0 = self.0.wrapping_add(1);
        Ok(())
    }
}

impl TryCryptoRng for Runs {}
