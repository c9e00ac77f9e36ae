//! Tables that people read.

use crate::plain;

/// Lines of cells under a head, each column as wide as its widest cell. A line end in a cell makes no line.
pub(super) fn lines<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let head = head.map(str::to_owned);
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(|cell| plain::line(cell).into_owned())).collect();
    let width = |column: usize| {
        let lines = rows.iter().chain([&head]);
        lines.filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: &[String; N]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    std::iter::once(&head).chain(&rows).map(line).collect()
}
