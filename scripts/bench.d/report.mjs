// The table.

function number(value) {
  if (value === null) return '–';
  return value >= 100
    ? value.toFixed(0)
    : value >= 10
      ? value.toFixed(1)
      : value >= 0.1
        ? value.toFixed(2)
        : value.toFixed(4);
}

function cells(entry) {
  const spread = entry.samples.length
    ? `${number(Math.min(...entry.samples))}–${number(Math.max(...entry.samples))}`
    : '';
  return [
    entry.what,
    entry.system,
    entry.value === null ? 'failed' : `${number(entry.value)} ${entry.unit}`,
    spread,
    entry.ratio === null ? '' : `${number(entry.ratio)} of ${entry.against}`,
    entry.bar ?? '',
    entry.met === null ? '' : entry.met ? 'met' : 'NOT MET',
  ];
}

/** Renders result lines as a Markdown table, aligned for a terminal. */
export function table(entries) {
  const rows = [['what', 'system', 'median', 'min–max', 'ratio', 'bar', ''], ...entries.map(cells)];
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const text = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`);
  text.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return text.join('\n');
}
