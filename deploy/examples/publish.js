// Publishes an event to RabbitMQ with amqplib (npm install amqplib):
//
//   AMQP_URL=amqp://localhost node publish.js SUBJECT REASON
const amqp = require('amqplib');
const { randomUUID } = require('node:crypto');

async function publish(event) {
  const connection = await amqp.connect(process.env.AMQP_URL ?? 'amqp://localhost');
  try {
    // Without a confirmation, an event may be lost on its way.
    const channel = await connection.createConfirmChannel();
    channel.publish('wake.events', event.type, Buffer.from(JSON.stringify(event)), {
      persistent: true,
      contentType: 'application/json',
      // Links what Wake does to the trace of what happened. Leave it out where there is none.
      headers: process.env.TRACEPARENT ? { traceparent: process.env.TRACEPARENT } : {},
    });
    await channel.waitForConfirms();
  } finally {
    await connection.close();
  }
}

const [subject, reason] = process.argv.slice(2);
publish({ id: randomUUID(), source: 'example:node', type: 'example.happened', subject, reason }).catch((failed) => {
  console.error(failed.message);
  process.exitCode = 1;
});
