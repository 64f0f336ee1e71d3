// Says of each document on standard input, an array, whether the schema of the file named first allows it.
const { readFileSync } = require('node:fs');
const schema = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const Ajv = require(schema.$schema.includes('2020-12') ? 'ajv/dist/2020' : 'ajv').default;
// The schema of AsyncAPI brings that of JSON Schema along.
const bundled = schema.definitions !== undefined;
const ajv = new Ajv({ strict: false, meta: !bundled, validateSchema: !bundled });
require('ajv-formats').default(ajv);
const validate = ajv.compile(schema);
const verdicts = JSON.parse(readFileSync(0, 'utf8')).map((document) => (validate(document) ? null : ajv.errorsText(validate.errors)));
console.log(JSON.stringify(verdicts));
