import { limited } from './body.js'
import { storeKey } from './secret.js'
import { parseSecret, verifyWebhook } from './webhook.js'

/** How long the body of a webhook may be. */
export const MAX_EVENT = 1 << 20
const PULL_WAIT = 5 // seconds that the provider may hold a question that has no answer yet
const PULL_PAUSE = 1000 // milliseconds, the least time between two questions
const PULL_AGAIN = 10_000 // and after a failure
const PULL_LIMIT = 100

const isText = (value) => typeof value === 'string' && value !== ''
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Receives the provider's events and ends what they end; see index.d.ts. kit says what the kit knows and can. */
export class Events {
  #kit
  #cfg

  constructor(kit, config = {}) {
    this.#kit = kit
    const base = kit.issuer.replace(/\/$/, '')
    this.#cfg = { eventsUrl: `${base}/api/events`, userTokenUrl: `${base}/api/user-token`, tolerance: 300, ...config }
    this.#cfg.secrets = (config.secrets ?? []).map((text, i) => {
      try {
        return parseSecret(text)
      } catch (error) {
        throw new TypeError(`@exeunt/rp: secrets[${i}]: ${error.message}`)
      }
    })
  }

  /** Answers the webhook_uri: 204 to what is handled, 401 to what is not signed, 400 to what is not for this application, 503 to what should come again. */
  async receive(request) {
    const answer = (status, error, headers) => {
      if (error) this.#kit.log(`an event was not handled: ${status}`, error)
      return new Response(null, { status, headers: { 'cache-control': 'no-store', ...headers } })
    }
    if (request.method !== 'POST') return answer(405, undefined, { allow: 'POST' })
    let event
    try {
      const body = await limited(request.body, MAX_EVENT)
      // 1. Signed for us, a moment ago.
      const id = verifyWebhook(request.headers, body, this.#cfg.secrets, this.#kit.now(), this.#cfg.tolerance)
      if (!id) return answer(401, new Error('the webhook is not signed with a secret that this application knows, or long ago; its body must be read by nobody before'))
      // 2. An event of ours.
      const envelope = JSON.parse(body.toString())
      event = this.#read(id, envelope?.type, envelope?.data)
    } catch (error) {
      return answer(400, error)
    }
    // 3. Once, if possible; a repetition has been handled.
    try {
      await this.#handle(event)
    } catch (error) {
      return answer(503, error, { 'retry-after': '5' })
    }
    return answer(204)
  }

  /** Asks for events over and over until the signal aborts. */
  async pull(signal) {
    while (!signal.aborted) {
      const begun = Date.now()
      let pause = 0
      try {
        // What is there may be the beginning of more.
        if ((await this.pullOnce()) === 0) pause = Math.max(0, PULL_PAUSE - (Date.now() - begun))
      } catch (error) {
        this.#kit.log('events could not be pulled; trying again', error)
        pause = PULL_AGAIN
      }
      await new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          resolve()
        }
        const timer = setTimeout(done, pause)
        signal.addEventListener('abort', done)
        if (signal.aborted) done()
      })
    }
  }

  /** Asks once; see index.d.ts. */
  async pullOnce() {
    const page = await this.#kit.call(this.#cfg.eventsUrl, { pending: 'true', limit: String(PULL_LIMIT), wait: String(PULL_WAIT) })
    const done = []
    const failed = []
    for (const raw of Array.isArray(page.events) ? page.events : []) {
      try {
        await this.#handle(this.#read(raw?.id, raw?.type, raw))
        done.push(raw.id)
      } catch (error) {
        failed.push(error)
      }
    }
    if (done.length > 0) await this.#kit.call(`${this.#cfg.eventsUrl.replace(/\/$/, '')}/ack`, { ids: done.join(' ') })
    if (failed.length > 0) throw new AggregateError(failed, `${failed.length} events could not be handled: ${failed[0].message}`)
    return done.length
  }

  // Makes an event of its data. It throws if it is not one for this application.
  #read(id, type, data) {
    if (!isObject(data) || !isText(id) || !isText(type)) throw new Error('the event lacks an id, a type or data')
    if ('iss' in data && data.iss !== this.#kit.issuer) throw new Error('the event is of another provider')
    if ('client_id' in data && data.client_id !== this.#kit.clientId) throw new Error('the event is for another client')
    const occurredAt = isText(data.occurred_at) && /^\d{4}-\d\d-\d\dT/.test(data.occurred_at) ? new Date(data.occurred_at) : new Date(NaN)
    if (Number.isNaN(occurredAt.getTime())) throw new Error('the event lacks the time occurred_at')
    const text = (name) => (isText(data[name]) ? data[name] : undefined)
    return { id, type, sub: text('sub'), sid: text('sid'), cause: text('cause'), occurredAt, data }
  }

  // Ends what the event ends and tells the application; remembered afterwards, so that a failure leads to a retry.
  async #handle(event) {
    const key = storeKey('event', this.#kit.issuer, event.id)
    if ((await this.#kit.store.get(key)) !== undefined) return
    const ending = { iss: this.#kit.issuer, at: event.occurredAt.getTime() }
    if (['session.ended', 'device.detached'].includes(event.type)) ending.sid = event.sid
    if (['user.logged_out', 'user.disabled', 'user.deleted'].includes(event.type)) {
      // It can come days late: the time decides, and the next login lives.
      event.sub ??= await this.#resolve(event.data.user_token)
      ending.sub = event.sub
    }
    if (ending.sid || ending.sub) await this.#kit.end(ending)
    await this.#cfg.handle?.(event)
    await this.#kit.store.raise(key, '1', this.#kit.now() + this.#kit.sessionLife * 1000)
  }

  // Exchanges the one-time user token of an event that names nobody.
  async #resolve(token) {
    if (!isText(token)) return undefined
    const { sub } = await this.#kit.call(this.#cfg.userTokenUrl, { user_token: token }) // the event comes again with another
    if (!isText(sub)) throw new Error('a user token was exchanged for no sub')
    return sub
  }
}
