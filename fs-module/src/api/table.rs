//! Text tables in mod_lcr's manner: padded columns between bars, so that eyes and scripts that know
//! that module's output find their way.

use std::fmt;

/// A table of `N` columns.
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
    narrowest: [usize; N],
}

impl<const N: usize> Table<N> {
    /// A table with a heading.
    pub(crate) fn new(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)], narrowest: [0; N] }
    }

    /// Makes a column at least so many characters wide.
    pub(crate) fn at_least(&mut self, column: usize, width: usize) {
        self.narrowest[column] = width;
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = self.narrowest;
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.rows {
            for (cell, &width) in row.iter().zip(&widths) {
                write!(f, " | {cell:<width$}")?;
            }
            f.write_str(" |\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["A", "Long"]);
        table.row(["éé".to_owned(), "x".to_owned()]);
        assert_eq!(table.to_string(), " | A  | Long |\n | éé | x    |\n");
    }
}
