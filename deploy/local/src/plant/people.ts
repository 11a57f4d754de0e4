/** Who asks and who approves at the pilot plant. Ids are opaque: records are never forgotten. */
export const AGENTS = [
  {
    id: 'maintenance',
    users: ['u-anna'],
    actions: ['telemetry-read', 'data-collect', 'restart', 'config-change', 'firmware-update'],
    groups: ['press-hall'],
  },
] as const

export const APPROVERS = [
  { id: 'marta', user: 'u-marta', roles: ['plant-manager'] },
  { id: 'samir', user: 'u-samir', roles: ['safety-officer'] },
] as const
