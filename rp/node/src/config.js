import { isLocal } from './http.js'
import { MemoryStore } from './store.js'

/** Sets defaults and refuses what contradicts itself. Errors name the field. */
export function complete(config) {
  const wrong = (field, what) => new TypeError(`@exeunt/rp: ${field} ${what}`)
  for (const field of ['issuer', 'clientId', 'baseUrl']) if (!config[field]) throw wrong(field, 'is missing')
  const base = new URL(config.baseUrl)
  if (base.pathname !== '/' || base.search) throw wrong('baseUrl', 'must be scheme, host and port alone')
  const algorithms = config.algorithms ?? ['RS256']
  if (algorithms.some((alg) => !/^(RS|PS|ES)(256|384|512)$|^EdDSA$|^Ed25519$/.test(alg))) throw wrong('algorithms', 'must be asymmetric')
  const afterLogout = config.afterLogout ?? '/'
  if (!isLocal(afterLogout)) throw wrong('afterLogout', 'must be a path of this application')
  const authMethod = config.authMethod ?? (config.clientSecret ? 'client_secret_basic' : 'none')
  if (!['client_secret_basic', 'client_secret_post', 'none'].includes(authMethod)) throw wrong('authMethod', 'is unknown')
  if (authMethod !== 'none' && !config.clientSecret) throw wrong('clientSecret', 'is missing')
  const now = config.now ?? Date.now
  return {
    ...config, algorithms, afterLogout, authMethod, now, baseUrl: base.origin, secure: base.protocol === 'https:',
    prefix: '/' + (config.prefix ?? '/auth').replace(/^\/+|\/+$/g, ''), scope: config.scope ?? 'openid profile email',
    sessionLife: config.sessionLife ?? 43_200, store: config.store ?? new MemoryStore({ now }),
    log: config.log ?? ((message, error) => console.warn(`@exeunt/rp: ${message}`, error?.message ?? '')),
  }
}
