//! What takes cells away or moves them: erasing, inserting, deleting.

use super::Screen;
use super::buffer::Buffer;
use super::cell::{Cell, Pen};

impl Screen {
    /// Cells or lines go in or away at the cursor.
    pub(super) fn shift(&mut self, last: u8) {
        let count = self.parser.parameters.count();
        if !matches!(last, b'S' | b'T') {
            self.restrict();
        }
        let pen = self.pen.erased();
        let buffer = self.buffer();
        let (x, y, columns) = (buffer.x, buffer.y, buffer.columns);
        let in_region = (buffer.top..=buffer.bottom).contains(&y);
        match last {
            b'S' => buffer.delete_lines(buffer.top, count, pen),
            b'T' => buffer.insert_lines(buffer.top, count, Pen::default()),
            b'L' | b'M' if !in_region => {}
            b'L' => {
                buffer.insert_lines(y, count, pen);
                buffer.x = 0;
            }
            b'M' => {
                buffer.delete_lines(y, count, pen);
                buffer.x = 0;
            }
            _ => {
                let Some(line) = buffer.line() else { return };
                match last {
                    b'@' => line.insert(x, count, columns, pen),
                    b'P' => line.delete(x, count, columns, pen),
                    _ => line.erase(x, x.saturating_add(count), columns, pen, false),
                }
            }
        }
    }

    /// Columns go in or away on every line of the region, at a column or the cursor's.
    pub(super) fn shift_region(&mut self, insert: bool, at: Option<usize>) {
        let count = self.parser.parameters.count();
        let pen = self.pen.erased();
        let buffer = self.buffer();
        let (at, columns) = (at.unwrap_or(buffer.x), buffer.columns);
        if !(buffer.top..=buffer.bottom).contains(&buffer.y) {
            return;
        }
        for y in buffer.top..=buffer.bottom {
            let Some(line) = buffer.row_mut(y) else { continue };
            if insert {
                line.insert(at, count, columns, pen);
            } else {
                line.delete(at, count, columns, pen);
            }
            line.wrapped = false;
        }
    }

    pub(super) fn erase_picture(&mut self, keep: bool) {
        self.restrict_loosely();
        let pen = self.pen.erased();
        let which = self.parser.parameters.first();
        let buffer = self.buffer();
        let (x, y, columns, rows) = (buffer.x, buffer.y, buffer.columns, buffer.rows);
        let whole = match which {
            0 => {
                erase_cells(buffer, x, columns, pen, keep, x == 0);
                y + 1..rows
            }
            1 => {
                erase_cells(buffer, 0, x + 1, pen, keep, true);
                // As xterm.js counts it.
                if x + 1 >= columns
                    && let Some(line) = buffer.lines.get_mut(y + 1)
                {
                    line.wrapped = false;
                }
                0..y
            }
            2 => 0..rows,
            3 => return buffer.forget_scrolled(),
            _ => return,
        };
        for row in whole {
            if let Some(line) = buffer.row_mut(row) {
                if keep {
                    line.erase(0, columns, columns, pen, true);
                } else {
                    line.clear(columns, pen);
                }
                line.wrapped = false;
            }
        }
    }

    pub(super) fn erase_line(&mut self, keep: bool) {
        self.restrict_loosely();
        let pen = self.pen.erased();
        let which = self.parser.parameters.first();
        let buffer = self.buffer();
        let (x, columns) = (buffer.x, buffer.columns);
        match which {
            0 => erase_cells(buffer, x, columns, pen, keep, x == 0),
            1 => erase_cells(buffer, 0, x + 1, pen, keep, false),
            2 => erase_cells(buffer, 0, columns, pen, keep, true),
            _ => {}
        }
    }

    /// DECALN.
    pub(super) fn fill_with_e(&mut self) {
        let pen = Pen { extra: 0, ..self.pen };
        self.move_to(0, 0);
        let buffer = self.buffer();
        for y in buffer.y..buffer.rows {
            let columns = buffer.columns;
            if let Some(line) = buffer.row_mut(y) {
                for x in 0..columns {
                    line.set(x, Cell::new(u32::from(b'E'), 1, pen));
                }
                line.wrapped = false;
            }
        }
        self.move_to(0, 0);
    }
}

/// Erases on the cursor's line.
fn erase_cells(buffer: &mut Buffer, from: usize, to: usize, pen: Pen, keep: bool, ends_wrap: bool) {
    let columns = buffer.columns;
    if let Some(line) = buffer.line() {
        line.erase(from, to, columns, pen, keep);
        if ends_wrap {
            line.wrapped = false;
        }
    }
}
