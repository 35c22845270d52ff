import { type Rules, suite } from './suite.js';
import { ALL } from './variants.js';

/** Functions of Python: what tools do with index.json. `a`, `b`, … are names of entries. */
const TOOLS = `
import json, os, sys
NAME = 'org.opencontainers.image.ref.name'
def load():
    with open('index.json') as file: return json.load(file)
def names(): return [entry['annotations'][NAME] for entry in load()['manifests']]
def add(index, name):
    index['manifests'].append({'digest': 'sha256:' + '%064x' % len(name), 'size': 1, 'annotations': {NAME: name}})
    return index
def drop(index, name):
    index['manifests'] = [entry for entry in index['manifests'] if entry['annotations'][NAME] != name]
    return index
def in_place(index):
    with open('index.json', 'w') as file: json.dump(index, file)
def over(index):
    directory = '.umoci-%d' % os.getpid()
    os.mkdir(directory, 0o700)
    with open(directory + '/index', 'x') as file:
        json.dump(index, file)
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    os.rename(directory + '/index', 'index.json')
    os.rmdir(directory)
class Writer:
    """Another process: reads the index at once, and writes it when it is told to."""
    def __init__(self, change, write):
        ready, self.told = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            index = load()
            os.write(ready[1], b'.')
            os.read(self.told[0], 1)
            write(change(index))
            os._exit(0)
        os.read(ready[0], 1)
    def write(self):
        os.write(self.told[1], b'.')
        assert os.waitpid(self.pid, 0)[1] == 0
`;

const python = (script: string): string => `python3 - <<'END'\n${TOOLS}${script}\nEND\n`;

const fresh = python('in_place({"schemaVersion": 2, "manifests": []})');

/** The root as an OCI image layout: what tools may do with its two files. Each rule begins with no entries. */
const rules: Rules = {
  'writers that overlap keep all their names, in place and by rename': async ({ sh }) => {
    await sh(
      fresh +
        python(`
in_place(add(add(load(), 'gone'), 'kept'))
writers = [Writer(lambda index, name=name: add(index, name), write)
    for name, write in (('a', in_place), ('b', over), ('c', in_place), ('d', over))]
writers.append(Writer(lambda index: drop(index, 'gone'), over))
for writer in reversed(writers): writer.write()
assert sorted(names()) == ['a', 'b', 'c', 'd', 'kept'], names()
`),
    );
  },

  'without others, the file is what was written, byte for byte': async ({ sh }) => {
    const text = '{ "manifests": [],  "schemaVersion":2, "more": [1] }';
    await sh(`${fresh}
      printf '%s\\n' '${text}' > index.json; is "$(cat index.json)" '${text}'
      is "$(stat -c %s index.json)" $((1 + \${#scratch} - \${#scratch} + ${text.length}))
      printf '%s\\n' '${text} ' > "$ref.json"; mv "$ref.json" index.json; is "$(cat index.json)" '${text} '
      tar -cf - index.json oci-layout | tar -xOf - index.json | cmp - index.json
      rsync -a index.json "$scratch/$ref"; cmp "$scratch/$ref" index.json`);
  },

  'a shell that has not read it writes all of it, each time': async ({ sh }) => {
    const empty = `printf '{"schemaVersion": 2, "manifests": []}' > index.json`;
    const add = python(`in_place(add(load(), 'a'))`);
    await sh(`${empty}; ${add} ${empty}; ${python('assert load() == {"schemaVersion": 2, "manifests": []}')} ${add} ${empty}
      is "$(cat index.json)" '{"schemaVersion": 2, "manifests": []}'`);
  },

  'who has it open sees what it was, to the end': async ({ sh }) => {
    await sh(
      fresh +
        python(`
old = open('index.json')
before, size = open('index.json').read(), os.fstat(old.fileno()).st_size
in_place(add(load(), 'a'))
over(add(load(), 'b'))
assert old.read() == before and os.fstat(old.fileno()).st_size == size == len(before)
assert names() == ['a', 'b'] and os.stat('index.json').st_size == len(open('index.json').read())
`),
    );
  },

  'a child that closes the file first writes for who has opened it': async ({ sh }) => {
    await sh(
      fresh +
        python(`
import subprocess
index = add(load(), 'mine')
Writer(lambda index: add(index, 'other'), over).write()
file = open('index.json', 'w')
json.dump(index, file)
file.flush()
subprocess.run(['true'], close_fds=False, check=True)
if os.fork() == 0: os._exit(0)
os.wait()
file.close()
assert sorted(names()) == ['mine', 'other'], names()
`),
    );
  },

  'what is no index is refused by the close or the rename, and the old one stays': async ({ t, sh }) => {
    const script = `${fresh}
      old=$(cat index.json)
      head -c 20 index.json > "$scratch/$ref"
      fails 'Bad message' cp "$scratch/$ref" index.json
      cp "$scratch/$ref" "half-$ref"
      fails 'Bad message' mv "half-$ref" index.json
      cmp "half-$ref" "$scratch/$ref"; getfattr -n user.cas.error "half-$ref" | grep -q 'cannot be an index'
      fails 'Bad message' python3 -c 'open("index.json", "w").close()'
      fails 'Bad message' cp "$scratch/$ref" oci-layout
      is "$(cat index.json)" "$old"; is "$(cat oci-layout)" '{"imageLayoutVersion":"1.0.0"}'
      getfattr --only-values -n user.cas.error index.json; rm "half-$ref"`;
    t.regex(await sh(script), /^index\.json: the text cannot be an index of images: .*found an empty file$/);
  },

  'neither file can be removed, moved away or be a directory': async ({ sh }) => {
    await sh(`for name in index.json oci-layout; do
        fails 'busy' rm -f $name
        fails 'busy' mv $name "$ref"
        fails 'exists' mkdir $name
        fails 'denied' bash -c "> $name/x" || fails 'Not a directory' bash -c "> $name/x"
        chmod 600 $name; touch $name
        printf '{"imageLayoutVersion": "1.0.0"}\\n' > oci-layout
      done; is "$(cat oci-layout)" '{"imageLayoutVersion":"1.0.0"}'`);
  },
};

suite(ALL, rules);

suite(ALL, {
  'the index outlives kill -9 of the daemon, and what was half written does not show': async ({
    t,
    mount,
    sh,
  }) => {
    await sh(fresh + python("in_place(add(load(), 'a'))"));
    const writer = mount.start('exec 9> index.json; printf "{" >&9; echo; read -r || true');
    await new Promise((resolve) => writer.stdout?.once('data', resolve));
    await mount.kill();
    writer.kill();
    await mount.mount();
    t.is(await sh(python('print(names())')), "['a']\n");
  },
});
