// Says of each object on standard input, an array, what is wrong with it by the schema of its kind, or null. The schemas let unknown
// fields pass; they are found as those that the validator never asked for.
const { existsSync, readFileSync } = require('node:fs');
const { join, resolve, dirname } = require('node:path');
const { pathToFileURL } = require('node:url');

const packages = process.env.NODE_PATH;

async function validator({ apiVersion, kind }) {
  const folder = /keda/.test(apiVersion) ? join(packages, '@kubernetes-models/keda') : join(packages, 'kubernetes-models');
  const group = apiVersion.includes('/') ? apiVersion.split('/') : [apiVersion];
  const model = [group, [group[0] + '.k8s.io', ...group.slice(1)]].map((x) => join(folder, ...x, `${kind}.js`)).find(existsSync);
  if (!model) return undefined;
  const schema = /from"([^"]+_schemas\/[^"]+)"/.exec(readFileSync(model, 'utf8'))[1];
  return (await import(pathToFileURL(resolve(dirname(model), schema)))).validate;
}

function watched(value, path, seen) {
  if (value === null || typeof value !== 'object') return value;
  return new Proxy(value, {
    get(target, name) {
      const at = `${path}/${String(name)}`;
      seen.add(at);
      return watched(target[name], at, seen);
    },
  });
}

function* unseen(value, path, seen) {
  if (value === null || typeof value !== 'object') return;
  for (const name of Object.keys(value)) {
    const at = `${path}/${name}`;
    if (seen.has(at)) yield* unseen(value[name], at, seen);
    else yield `${at} is not known`;
  }
}

async function verdict(object) {
  const validate = await validator(object);
  if (!validate) return `${object.apiVersion} ${object.kind} is not known`;

  const seen = new Set();
  const valid = validate(watched(object, '', seen));
  const problems = [...(valid ? [] : validate.errors.map((x) => `${x.instancePath} ${x.message ?? `${x.keyword} ${JSON.stringify(x.params)}`}`)), ...unseen(object, '', seen)];
  return problems.length ? problems.join('; ') : null;
}

Promise.all(JSON.parse(readFileSync(0, 'utf8')).map(verdict)).then((x) => console.log(JSON.stringify(x)));
