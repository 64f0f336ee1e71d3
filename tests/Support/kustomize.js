// The objects of a folder, as kustomize makes them of a kustomization.yaml. It does what deploy/kubernetes uses of it and refuses
// what it does not know.
const { readFileSync, statSync } = require('node:fs');
const { join } = require('node:path');
const yaml = require('yaml');

const clusterWide = ['Namespace'];

function objects(folder) {
  const { apiVersion, kind, namespace, resources = [], patches = [], images = [], replicas = [], ...unknown } = documents(join(folder, 'kustomization.yaml'))[0];
  if (kind !== 'Kustomization' || apiVersion !== 'kustomize.config.k8s.io/v1beta1' || Object.keys(unknown).length) fail(`${folder}: ${Object.keys(unknown)}`);

  const all = resources.map((x) => join(folder, x)).flatMap((x) => (statSync(x).isDirectory() ? objects(x) : documents(x)));

  for (const { path, patch, target } of patches) {
    const operations = path ? documents(join(folder, path))[0] : yaml.parse(patch);
    const hit = all.filter((x) => matches(target.kind, x.kind) && matches(target.name, x.metadata.name));
    if (!hit.length) fail(`${folder}: a patch meets nothing: ${JSON.stringify(target)}`);
    for (const object of hit) for (const operation of operations) apply(object, structuredClone(operation));
  }
  for (const object of all) if (namespace && !clusterWide.includes(object.kind)) object.metadata.namespace = namespace;
  for (const { name, newName = name, newTag } of images) {
    const hit = all.flatMap((x) => [...(x.spec?.template?.spec?.initContainers ?? []), ...(x.spec?.template?.spec?.containers ?? [])]).filter((x) => x.image.split(':')[0] === name);
    if (!hit.length) fail(`${folder}: nothing has the image ${name}`);
    for (const container of hit) container.image = `${newName}:${newTag}`;
  }
  for (const { name, count } of replicas) {
    const hit = all.filter((x) => x.metadata.name === name && x.spec?.template);
    if (!hit.length) fail(`${folder}: nothing to have replicas is called ${name}`);
    for (const object of hit) object.spec.replicas = count;
  }
  return all;
}

function apply(object, { op, path, value }) {
  const steps = path.split('/').slice(1).map((x) => x.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = steps.pop();
  const parent = steps.reduce((x, step) => x?.[step], object);
  if (parent === undefined || (op !== 'add' && !(last in parent)) || Array.isArray(parent)) fail(`${object.metadata.name}: ${op} ${path} cannot be done`);
  if (op === 'remove') delete parent[last];
  else if (op === 'add' || op === 'replace') parent[last] = value;
  else fail(`${op} is not known`);
}

// Its selectors are patterns for the whole of a name.
const matches = (pattern, text) => pattern === undefined || new RegExp(`^(?:${pattern})$`).test(text);

const documents = (file) => yaml.parseAllDocuments(readFileSync(file, 'utf8')).map((x) => {
  if (x.errors.length || x.warnings.length) fail(`${file}: ${[...x.errors, ...x.warnings]}`);
  return x.toJS();
});

function fail(message) {
  throw new Error(message);
}

const path = process.argv[2];
console.log(JSON.stringify(statSync(path).isDirectory() ? objects(path) : documents(path)));
