import { MemoryStore } from './store.js'
import { storeKey } from './secret.js'

const MAX_TOKEN = 16 << 10

/** The guard of an API that takes access tokens (RFC 6750); see index.d.ts. kit says what the kit knows and can. */
export class Bearer {
  #kit
  #cfg
  #known

  constructor(kit, { scopes = [], audience, cacheFor = 30, limit = 100_000 } = {}) {
    this.#kit = kit
    this.#cfg = { scopes, audience, cacheFor }
    this.#known = new MemoryStore({ limit, now: kit.now })
  }

  /** Stands before a fetch-style handler: only requests with a good access token pass. */
  protect(handler) {
    return async (request, ...rest) => {
      // 1. One token, in the header (RFC 6750, 2.1): elsewhere it would be logged. Several headers are one with commas here.
      const [, token] = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(request.headers.get('authorization') ?? '') ?? []
      if (!token || token.length > MAX_TOKEN) return refuse(401)
      let answer, ended
      try {
        // 2. What the provider says of it.
        answer = await this.#ask(token)
        // 3. Whether its session has ended since.
        ended = answer && (await this.#kit.hasEnded(answer))
      } catch (error) {
        this.#kit.log('an access token could not be judged', error)
        return plain(503, { 'retry-after': '5' })
      }
      if (!answer || ended || (this.#cfg.audience && !answer.aud.includes(this.#cfg.audience))) return refuse(401, 'error="invalid_token"')
      // 4. What it allows (3.1).
      if (this.#cfg.scopes.some((scope) => !answer.scopes.includes(scope))) return refuse(403, `error="insufficient_scope", scope="${this.#cfg.scopes.join(' ')}"`)
      const { iss, sub, sid, iat, until, claims } = answer
      return handler(request, { iss, sub, sid, loggedInAt: new Date(iat * 1000), until: new Date(until), claims, accessToken: token }, ...rest)
    }
  }

  // What is known of a token; undefined if it is not active.
  async #ask(token) {
    const key = storeKey('token', token) // not the token itself: memory is dumped too
    const known = await this.#known.get(key)
    if (known) return known
    const answer = await this.#introspect(token)
    if (answer) await this.#known.put(key, answer, Math.min(answer.until, this.#kit.now() + this.#cfg.cacheFor * 1000))
    return answer
  }

  // Asks the provider (RFC 7662, 2).
  async #introspect(token) {
    const endpoint = (await this.#kit.metadata()).introspection_endpoint
    if (!endpoint) throw new Error('the provider publishes no introspection_endpoint')
    const claims = await this.#kit.call(endpoint, { token, token_type_hint: 'access_token' })
    const now = this.#kit.now()
    if (claims.active !== true || ('iss' in claims && claims.iss !== this.#kit.issuer)) return undefined
    const until = typeof claims.exp === 'number' ? claims.exp * 1000 : now + this.#cfg.cacheFor * 1000
    if (until <= now) return undefined
    const text = (name) => (typeof claims[name] === 'string' ? claims[name] : '')
    return {
      iss: this.#kit.issuer, sub: text('sub'), sid: text('sid') || undefined, until, claims,
      // Without iat nobody can say whether it was issued before a logout: any counts.
      iat: typeof claims.iat === 'number' ? claims.iat : 0,
      aud: [claims.aud].flat().filter((aud) => typeof aud === 'string'), scopes: text('scope').split(' ').filter(Boolean),
    }
  }
}

function plain(status, headers) {
  return new Response(null, { status, headers: { 'cache-control': 'no-store', ...headers } })
}

const refuse = (status, challenge = '') => plain(status, { 'www-authenticate': `Bearer ${challenge}`.trim() })
