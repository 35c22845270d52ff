import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { AS_ROOT, type Variant } from '../e2e/variants.js';
import { Faulty } from './faulty.js';
import { FULL, LIMIT, randomFor } from './form.js';
import { wrongBlobs } from './invariants.js';
import { type Attacked, Attacker, ATTACKS, NAMES, type Outcome, PLACES, summary, WAYS } from './toctou.js';

/*
 * F12: a file is committed while all who can reach it try to change it, before, in and after that moment: through
 * descriptors, mappings, names, other processes, and those that a killed daemon has left. What a client is told may
 * be any error, and its bytes may be lost; but what stands under a digest has that digest, for good.
 */

/** How often the daemon is killed in the middle of it. */
const KILLS = FULL ? 40 : 2;
/** How often everything is done at once. */
const AT_ONCE = FULL ? 20 : 1;

/** All of them in four parts: hundreds of threads that write without the daemon leave a small machine no processor. */
const QUARTERS = [0, 1, 2, 3].map((part) => ATTACKS.filter((_, index) => index % 4 === part));
const GROUPS = Math.ceil(ATTACKS.length / 4);

/** A store on a disk of its own, and what is to hold in the end: now, and after a restart. */
async function attack(
  t: ExecutionContext,
  variant: Variant,
  act: (faulty: Faulty) => Promise<readonly Outcome[]>,
): Promise<void> {
  t.timeout(LIMIT);
  const faulty = await Faulty.of(t, variant, { mebibytes: 1024 });
  const { mount } = faulty;
  const outcomes = await act(faulty);
  t.log(summary(outcomes));
  // Who is interrupted by a kill leaves his temporary files, which stand beside the blobs.
  await faulty.sh('rm -f blobs/sha256/.tmp-*');
  t.is(await wrongBlobs(mount.mountpoint), '');
  await faulty.verify('while it is mounted', true);
  t.is((await mount.status()).defects, 0);
  await mount.unmount();
  await faulty.verify('unmounted', true);
  await faulty.remount();
  t.is(await wrongBlobs(mount.mountpoint), '');
  await faulty.verify('mounted again', true);
  faulty.quiet();
}

/** The `index`-th of a list that goes round. */
function around<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}

/** How the `index`-th file is attacked; in steps that go through all combinations. */
function attacked(attacks: readonly string[], index: number): Attacked {
  return {
    attacks,
    place: around(PLACES, index),
    way: around(WAYS, index),
    naming: around(NAMES, index),
    closed: index % 7 < 4,
  };
}

/** The cases: attacks four at a time, or each by itself, in every place and committed in every way. */
function cases(): Attacked[] {
  const four = (_: unknown, index: number): string[] =>
    ATTACKS.filter((_, number) => number % GROUPS === index);
  if (!FULL) return Array.from({ length: GROUPS }, four).map((attacks, index) => attacked(attacks, index));
  return Array.from({ length: PLACES.length * WAYS.length }, (_, time) =>
    ATTACKS.map((name, index) => attacked([name], index + time * 11)),
  ).flat();
}

for (const variant of AS_ROOT) {
  test.serial(`${variant.name}: nothing that has hold of a file changes it once it is a blob`, async (t) => {
    const random = randomFor(t);
    await attack(t, variant, async (faulty) => {
      const outcomes: Outcome[] = [];
      for (const one of cases()) {
        const attacker = await Attacker.of(faulty, random, one);
        attacker.go();
        outcomes.push(await attacker.end());
      }
      return outcomes;
    });
  });

  test.serial(`${variant.name}: nor do all of them at once`, async (t) => {
    const random = randomFor(t);
    await attack(t, variant, async (faulty) => {
      const outcomes: Outcome[] = [];
      for (let time = 0; time < AT_ONCE; time++) {
        const racing = ['path', 'path', 'path-late', 'reopened', 'reopened', 'forked', 'forked'];
        const lists = [
          ['all'],
          [...racing, 'pwrite', 'pwrite'],
          ['map', 'map-late', 'map-forked', ...racing],
        ];
        const attackers = await Promise.all(
          lists.map((list, index) => Attacker.of(faulty, random, attacked(list, time * 3 + index))),
        );
        for (const attacker of attackers) attacker.go();
        outcomes.push(...(await Promise.all(attackers.map((attacker) => attacker.end()))));
      }
      return outcomes;
    });
  });

  test.serial(
    `${variant.name}: what was opened and mapped under a killed daemon does not change what the next one commits`,
    async (t) => {
      const random = randomFor(t);
      await attack(t, variant, async (faulty) => {
        const groups = FULL ? ATTACKS.map((name) => [name]) : QUARTERS;
        const outcomes: Outcome[] = [];
        for (const [round, group] of groups.entries()) {
          const attackers: Attacker[] = [];
          for (const [index, place] of PLACES.entries()) {
            const way = around(['rename', 'link', 'noreplace'] as const, round + index);
            const one = { ...attacked(group, round + index), place, way, naming: 'known' } as const;
            attackers.push(await Attacker.of(faulty, random, one));
          }
          await faulty.mount.kill();
          await faulty.remount();
          for (const attacker of attackers) attacker.go();
          outcomes.push(...(await Promise.all(attackers.map((attacker) => attacker.end()))));
        }
        return outcomes;
      });
    },
  );

  test.serial(`${variant.name}: nor where it is killed in the middle`, async (t) => {
    const random = randomFor(t);
    await attack(t, variant, async (faulty) => {
      const outcomes: Outcome[] = [];
      for (let kill = 0; kill < KILLS; kill++) {
        const groups = [['all'], ['pwrite', 'map', 'forked', 'path'], ['stopped', 'reopened', 'ring']];
        const attackers: Attacker[] = [];
        for (const [index, group] of groups.entries()) {
          const way = around(['rename', 'link', 'noreplace'] as const, kill + index);
          const one = { ...attacked(group, kill * 3 + index), way, naming: 'known' } as const;
          attackers.push(await Attacker.of(faulty, random, one, 20_000));
        }
        for (const attacker of attackers) attacker.go();
        await sleep(random.between(0, 150));
        await faulty.mount.kill();
        await faulty.remount();
        outcomes.push(...(await Promise.all(attackers.map((attacker) => attacker.end()))));
      }
      return outcomes;
    });
  });

  test.serial(`${variant.name}: the second name of a blob is read-only after a restart, too`, async (t) => {
    await attack(t, variant, async (faulty) => {
      const cases: NodeJS.ProcessEnv[] = [];
      for (const place of PLACES) cases.push({ ...(await faulty.case(100_000)), name: `${place}-second` });
      for (const variables of cases) await faulty.sh(LINK, variables);
      await faulty.mount.kill();
      await faulty.remount();
      for (const variables of cases) await faulty.sh(ATTACK_SECOND_NAME, variables);
      return [];
    });
  });
}

const LINK = `mkdir -p .umoci-d; cp "$src" "$name"; ln "$name" "$blob"; echo "sha256:$hex $size" >> "$acked"`;

/** All that could write through `$name`. What is answered may differ; what is there may not. */
const ATTACK_SECOND_NAME = `
  whatever() { "$@" 2> /dev/null || true; }
  for name in "$name" "$name-moved"; do
    whatever append "$name" x
    whatever overwrite "$name" x
    whatever chmod 0666 "$name"
    whatever truncate -s 10 "$name"
    whatever fallocate -l 1000000 "$name"
    whatever fallocate -p -o 0 -l 4096 "$name"
    whatever dd if=/dev/zero of="$name" count=1 conv=notrunc status=none
    whatever call map-shared "$name"
    whatever mv "$name" "blobs/sha256/$(echo other | sha256sum | head -c 64)"
    cmp "$src" "$blob"
    cmp "$src" "$store/$blob"
    whatever mv "$name" "$name-moved"
  done
  whatever mv "$name" "$blob"
  whatever rm "$name" "$name-moved"
  cmp "$src" "$blob"
  cmp "$src" "$store/$blob"
`;
