export const TOOLS = {
  'nats-server': {
    name: 'nats-server',
    variable: 'WRIT_NATS_SERVER',
    names: ['nats-server'],
    versionArguments: ['--version'],
    minimum: [2, 12, 0],
    why: 'it lacks the persistence mode of a stream and the expiry of a message',
    installer: { from: 'go', module: 'github.com/nats-io/nats-server/v2', version: [2, 15, 2], takes: 'half a minute' },
  },
  'redis-server': {
    name: 'redis-server',
    variable: 'WRIT_REDIS_SERVER',
    names: ['redis-server', 'valkey-server'],
    versionArguments: ['--version'],
    minimum: [7, 0, 0],
    why: 'its append-only file is of the older form',
    installer: { from: 'apt', package: 'redis-server', alsoNeeded: ['redis-tools'], takes: 'some seconds' },
  },
  opa: {
    name: 'opa',
    variable: 'WRIT_OPA',
    names: ['opa'],
    versionArguments: ['version'],
    minimum: [1, 22, 2],
    exact: true,
    why: 'the policy bundle is reproduced byte for byte, by that version alone',
    installer: {
      from: 'go',
      module: 'github.com/open-policy-agent/opa',
      version: [1, 22, 2],
      takes: 'a minute or two',
    },
  },
}
//# sourceMappingURL=catalogue.js.map
