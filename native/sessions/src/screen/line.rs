//! One line of cells.

use super::cell::{Cell, PROTECTED, Pen};

/// Cells from the left; those that are not there were never printed to.
#[derive(Debug, Clone, Default)]
pub struct Line {
    cells: Vec<Cell>,
    /// It goes on from the one above it.
    pub wrapped: bool,
}

impl Line {
    /// A line of a width, all of it in one ground.
    pub fn blank(columns: usize, pen: Pen) -> Self {
        let mut line = Self::default();
        line.clear(columns, pen);
        line
    }

    /// As [`Line::blank`], in its old memory.
    pub fn clear(&mut self, columns: usize, pen: Pen) {
        self.cells.clear();
        self.wrapped = false;
        if pen != Pen::default() {
            self.cells.resize(columns, Cell::empty(pen));
        }
    }

    pub fn cell(&self, at: usize) -> Cell {
        self.cells.get(at).copied().unwrap_or(Cell::EMPTY)
    }

    pub fn width(&self, at: usize) -> u8 {
        self.cell(at).width()
    }

    /// The cells that were printed to.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    pub fn set(&mut self, at: usize, cell: Cell) {
        if let Some(known) = self.cells.get_mut(at) {
            *known = cell;
        } else if cell != Cell::EMPTY {
            self.cells.resize(at, Cell::EMPTY);
            self.cells.push(cell);
        }
    }

    /// Shorter, or as it is.
    pub fn cut(&mut self, columns: usize) {
        self.cells.truncate(columns);
        self.cells.shrink_to_fit();
        if self.width(columns - 1) == 2 {
            self.set(columns - 1, Cell::EMPTY);
        }
    }

    /// Half a wide character is none.
    fn mend_left(&mut self, at: usize, pen: Pen) {
        if at > 0 && self.width(at - 1) == 2 {
            self.set(at - 1, Cell::empty(pen));
        }
    }

    pub fn insert(&mut self, at: usize, count: usize, columns: usize, pen: Pen) {
        let at = at % columns;
        self.mend_left(at, pen);
        let count = count.min(columns - at);
        for place in (at + count..columns).rev() {
            self.set(place, self.cell(place - count));
        }
        for place in at..at + count {
            self.set(place, Cell::empty(pen));
        }
        if self.width(columns - 1) == 2 {
            self.set(columns - 1, Cell::empty(pen));
        }
    }

    pub fn delete(&mut self, at: usize, count: usize, columns: usize, pen: Pen) {
        let at = at % columns;
        let count = count.min(columns - at);
        for place in at..columns - count {
            self.set(place, self.cell(place + count));
        }
        for place in columns - count..columns {
            self.set(place, Cell::empty(pen));
        }
        self.mend_left(at, pen);
        if self.width(at) == 0 && !self.cell(at).has_content() {
            self.set(at, Cell::empty(pen));
        }
    }

    /// Erases from one cell to before another; `keep`: but not what is protected.
    pub fn erase(&mut self, from: usize, to: usize, columns: usize, pen: Pen, keep: bool) {
        let kept = |line: &Self, at: usize| keep && line.cell(at).pen.flags & PROTECTED != 0;
        if from > 0 && !kept(self, from - 1) {
            self.mend_left(from, pen);
        }
        if to > 0 && to < columns && self.width(to - 1) == 2 && !kept(self, to) {
            self.set(to, Cell::empty(pen));
        }
        for at in from..to.min(columns) {
            if !kept(self, at) {
                self.set(at, Cell::empty(pen));
            }
        }
    }
}
