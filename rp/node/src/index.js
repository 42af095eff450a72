import { express } from './express.js'
import { Kit } from './kit.js'

export { MemoryStore } from './store.js'
export { Kit }

/** See index.d.ts. */
export function createKit(config) {
  const kit = new Kit(config)
  return Object.assign(kit, { express: express(kit, config.baseUrl) })
}
