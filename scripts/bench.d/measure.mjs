// Samples and what is said about them.

export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Measures every system once, then every system again, `repeats` times, so that drift of the
 * machine meets all alike. A measurement returns an object of numbers. One that fails is not
 * repeated. Returns an object: system → { samples: { key: numbers }, error }.
 */
export async function interleave(context, repeats, systems) {
  const results = Object.fromEntries(Object.keys(systems).map((name) => [name, { samples: {} }]));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [name, measure] of Object.entries(systems)) {
      const result = results[name];
      if (result.error) continue;
      try {
        for (const [key, value] of Object.entries(await measure(repeat))) {
          (result.samples[key] ??= []).push(value);
        }
      } catch (error) {
        result.error = error.message.trim();
        context.note(`${name}: ${result.error}`);
      }
    }
    context.progress(`${repeat + 1} of ${repeats}`);
  }
  return results;
}

/**
 * One line of the table. `higher` is "higher is better": then `samples` are seconds for `amount` of
 * work and the value is a rate. `against` is [name, result] to form the ratio with, `bar` the bound
 * on that ratio, as '>= 0.9' or '<= 1.5'; with `absolute` the bar is on the value itself.
 */
export function line(what, system, result, key, { unit, rate, against, bar, absolute } = {}) {
  const samples = (result.error ? undefined : result.samples[key])?.map((value) =>
    rate ? rate / value : value,
  );
  const entry = {
    what,
    system,
    unit,
    value: null,
    samples: samples ?? [],
    against: null,
    ratio: null,
    bar: bar ?? null,
    met: bar ? false : null,
  };
  if (!samples) return { ...entry, error: result.error ?? 'not measured' };
  entry.value = median(samples);
  const base = against?.[1].error ? undefined : against?.[1].samples[against[2] ?? key];
  if (base) {
    entry.against = against[0];
    entry.ratio = entry.value / median(base.map((value) => (rate ? rate / value : value)));
  }
  const bounded = absolute ? Math.max(...samples) : entry.ratio;
  if (bar && bounded !== null) entry.met = meets(bounded, bar);
  return entry;
}

export function meets(value, bar) {
  const [relation, bound] = bar.split(' ');
  return relation === '>=' ? value >= Number(bound) : value <= Number(bound);
}
