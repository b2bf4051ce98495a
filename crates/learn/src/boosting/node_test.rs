//! A split of a node in terms of bins, and the partition of rows by it.

use provost_predict::trees::sets::{self, Set};

/// Which codes go left.
#[derive(Clone, Copy)]
pub enum Test {
    /// Codes up to `bin`, and `missing`: the code of missing values where they go left, else a code that no row has.
    Below {
        bin: u8,
        missing: u16,
    },
    Among(Set),
}

/// A split in terms of bins.
#[derive(Clone, Copy)]
pub struct NodeTest {
    pub column: usize,
    pub test: Test,
    /// 0 marks a leaf.
    pub child: usize,
}

impl NodeTest {
    pub const NONE: u16 = 256;
    pub const LEAF: NodeTest = NodeTest { column: 0, test: Test::Below { bin: 0, missing: Self::NONE }, child: 0 };
    #[inline]
    pub fn left(&self, code: u8) -> bool {
        match &self.test {
            Test::Below { bin, missing } => (code <= *bin) | (u16::from(code) == *missing),
            Test::Among(set) => sets::has(set, usize::from(code)),
        }
    }
    /// Moves the rows of the left side to the front and those of the right side to the front of `right`, both in their
    /// order; returns the number of rows on the left side.
    pub fn part(&self, codes: &[u8], rows: &mut [u32], right: &mut [u32]) -> usize {
        // The kind of test is matched outside the loop, which has no branch: the side of the next row is not
        // predictable.
        match self.test {
            Test::Below { bin, missing } => {
                part_by(|code| (code <= bin) | (u16::from(code) == missing), codes, rows, right)
            }
            Test::Among(set) => part_by(|code| sets::has(&set, usize::from(code)), codes, rows, right),
        }
    }
}

#[inline]
fn part_by(goes_left: impl Fn(u8) -> bool, codes: &[u8], rows: &mut [u32], right: &mut [u32]) -> usize {
    let (mut left, mut others) = (0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let side = usize::from(goes_left(codes[row as usize]));
        (rows[left], right[others]) = (row, row);
        left += side;
        others += 1 - side;
    }
    left
}
