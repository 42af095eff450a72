// APIs and events: bearer guard, webhook, pull; by Express and by fetch-style handlers.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import expressFramework from 'express'
import { createKit } from '../src/index.js'
import { now, startProvider } from './op.js'

const SECRETS = ['new', 'old'].map((name) => `whsec_${Buffer.from(`${name} secret of an application`).toString('base64')}`)
const hello = (user) => `${user.sub} ${user.claims.name ?? ''} ${user.sid ?? ''}`

function sign(body, { secret = SECRETS[0], id = 'e-1', at = now(), prefix = '' } = {}) {
  const mac = createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(`${id}.${at}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': `${prefix}v1,${mac}` }
}

for (const style of ['express', 'fetch']) {
  describe(style, () => {
    let op, app, kit, time, seen, events, fail
    before(async () => {
      op = await startProvider()
    })
    after(() => op.close())
    beforeEach(async () => {
      Object.assign(op, { sub: 'alice', events: [], introspected: [], userToken: undefined, down: false })
      op.introspection = { active: true, iss: op.issuer, sub: 'alice', sid: 's-1', scope: 'read write', aud: ['api'], name: 'Alice Doe', iat: now(), exp: now() + 600 }
      time = 0
      seen = []
      fail = false
      kit = createKit({ issuer: op.issuer, clientId: 'shop', clientSecret: 'secret', baseUrl: 'http://localhost', allowInsecure: true, log: () => {}, now: () => Date.now() + time * 1000 })
      events = kit.events({ secrets: SECRETS, handle: (event) => { seen.push(event); if (fail) throw new Error('no') } })
      const guards = { '/api': kit.bearer({ audience: 'api' }), '/api/write': kit.bearer({ scopes: ['write'] }) }
      app = createServer(style === 'express' ? withExpress(guards) : withFetch(guards))
      await new Promise((resolve) => app.listen(0, '127.0.0.1', resolve))
      app.url = `http://127.0.0.1:${app.address().port}`
    })
    afterEach(() => { app.closeAllConnections(); app.close() })

    function withExpress(guards) {
      const server = expressFramework()
      server.post('/webhook', kit.express.events(events))
      for (const [path, guard] of Object.entries(guards)) server.get(path, kit.express.bearer(guard), (req, res) => res.send(hello(req.user)))
      return server
    }
    function withFetch(guards) {
      const pages = Object.fromEntries(Object.entries(guards).map(([path, guard]) => [path, guard.protect((_, user) => new Response(hello(user)))]))
      return async (req, res) => {
        const chunks = []
        for await (const chunk of req) chunks.push(chunk)
        const body = req.method === 'GET' ? {} : { body: Buffer.concat(chunks) }
        const request = new Request(app.url + req.url, { method: req.method, headers: req.headers, ...body })
        const response = await (pages[req.url] ?? ((r) => events.receive(r)))(request)
        res.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text())
      }
    }
    const call = async (token, path = '/api') => {
      const response = await fetch(app.url + path, { headers: token === undefined ? {} : { authorization: token } })
      return { status: response.status, text: await response.text(), challenge: response.headers.get('www-authenticate'), response }
    }
    const end = async (type, change = {}, options = {}) => {
      const body = JSON.stringify({ type, data: { iss: op.issuer, client_id: 'shop', occurred_at: new Date().toISOString(), ...change } })
      return fetch(`${app.url}/webhook`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...sign(body, options) } })
    }

    test('a token is asked about, and again when the cache has passed', async () => {
      assert.deepEqual([(await call('Bearer one')).text, (await call('bearer one')).text], ['alice Alice Doe s-1', 'alice Alice Doe s-1'])
      assert.deepEqual(op.introspected, ['one'])
      time = 31
      assert.equal((await call('Bearer one')).status, 200)
      assert.deepEqual(op.introspected, ['one', 'one'])
      assert.equal((await call('Bearer one', '/api/write')).status, 200)
    })

    test('the token of a session whose end is known is refused at once, and nobody is asked', async () => {
      assert.equal((await call('Bearer one')).status, 200)
      assert.equal((await end('session.ended', { sid: 's-1' })).status, 204)
      const got = await call('Bearer one')
      assert.deepEqual([got.status, got.challenge, got.response.headers.get('cache-control')], [401, 'Bearer error="invalid_token"', 'no-store'])
      assert.equal(op.introspected.length, 1)
      assert.equal((await call('Bearer another-of-that-session')).status, 401)
      op.introspection.sid = 's-2'
      assert.equal((await call('Bearer of-another')).status, 200)
      // Without sid: by sub and iat.
      delete op.introspection.sid
      assert.equal((await call('Bearer without')).status, 200)
      assert.equal((await end('user.logged_out', { sub: 'alice' }, { id: 'e-2' })).status, 204)
      assert.equal((await call('Bearer without')).status, 401)
      assert.equal((await call('Bearer of-another')).status, 401)
      Object.assign(op.introspection, { iat: now() + 2 })
      assert.equal((await call('Bearer of-the-next-login')).status, 200)
    })

    test('what is not good does not pass', async () => {
      for (const change of [{ active: false }, { active: 'true' }, { exp: now() }, { iss: 'https://evil.example' }, { aud: 'other' }]) {
        const before = { ...op.introspection }
        Object.assign(op.introspection, change)
        assert.equal((await call(`Bearer ${JSON.stringify(change).length}`)).status, 401, JSON.stringify(change))
        op.introspection = before
      }
      op.introspection.scope = 'read'
      const narrow = await call('Bearer narrow', '/api/write')
      assert.deepEqual([narrow.status, narrow.challenge], [403, 'Bearer error="insufficient_scope", scope="write"'])
      for (const header of [undefined, 'Basic x', 'Bearer', 'Bearer ', 'Bearer a b', 'Bearer a, Bearer b', `Bearer ${'x'.repeat(15 << 10)}="`]) {
        const got = await call(header)
        assert.deepEqual([got.status, got.challenge], [401, 'Bearer'], header?.slice(0, 20))
      }
      op.down = true
      const away = await call('Bearer unknown')
      assert.deepEqual([away.status, away.response.headers.get('retry-after')], [503, '5'])
    })

    test('a webhook is handled once, by either secret, and refused otherwise', async () => {
      assert.equal((await end('session.ended', { sid: 's-1', cause: 'admin' })).status, 204)
      assert.equal((await end('session.ended', { sid: 's-1', cause: 'admin' })).status, 204)
      assert.equal((await end('user.updated', { sub: 'alice' }, { id: 'e-2', secret: SECRETS[1], prefix: 'v1,AAAA v1a,x ' })).status, 204)
      assert.deepEqual(seen.map(({ id, type, sid, sub, cause }) => ({ id, type, sid, sub, cause })), [
        { id: 'e-1', type: 'session.ended', sid: 's-1', sub: undefined, cause: 'admin' }, { id: 'e-2', type: 'user.updated', sid: undefined, sub: 'alice', cause: undefined },
      ])
      assert.ok(Math.abs(seen[0].occurredAt - Date.now()) < 60_000)
      const stranger = `whsec_${Buffer.from('of somebody else, as long').toString('base64')}`
      for (const [change, options, status] of [
        [{}, { secret: stranger }, 401], [{}, { at: now() - 301 }, 401], [{}, { at: now() + 301 }, 401], [{}, { id: 'x'.repeat(257) }, 401], [{}, { at: 'soon' }, 401],
        [{ iss: 'https://evil.example' }, { id: 'e-3' }, 400], [{ client_id: 'wiki' }, { id: 'e-3' }, 400], [{ occurred_at: undefined }, { id: 'e-3' }, 400], [{ occurred_at: '7' }, { id: 'e-3' }, 400],
      ]) assert.equal((await end('session.ended', { sid: 's-9', ...change }, options)).status, status, JSON.stringify([change, options]))
      for (const body of ['', 'null', '[]', '{}', '{"type":1,"data":{}}', '{', '\xff']) {
        assert.equal((await fetch(`${app.url}/webhook`, { method: 'POST', body, headers: sign(body, { id: 'e-4' }) })).status, 400, body)
      }
      assert.equal((await fetch(`${app.url}/webhook`, { method: 'POST', body: '{}' })).status, 401)
      const long = `{"x":"${'x'.repeat(1 << 20)}"}`
      assert.equal((await fetch(`${app.url}/webhook`, { method: 'POST', body: long, headers: sign(long) })).status, 400)
      assert.equal(seen.length, 2)
    })

    test('an event that cannot be handled comes again; a user token says whom it is about', async () => {
      op.userToken = 'once'
      fail = true
      assert.equal((await end('user.logged_out', { user_token: 'once' })).status, 503)
      fail = false
      assert.equal((await end('user.logged_out', { user_token: 'once' })).status, 503) // it has been used
      op.userToken = 'twice'
      assert.equal((await end('user.logged_out', { user_token: 'twice' })).status, 204)
      assert.equal(seen.at(-1).sub, 'alice')
      assert.equal((await call('Bearer two')).status, 401)
    })

    test('what is pulled ends too; what fails stays, and the others are acknowledged', async () => {
      const event = (id, change) => ({ id, type: 'session.ended', sid: 's-1', iss: op.issuer, client_id: 'shop', occurred_at: new Date().toISOString(), state: 'dead', ...change })
      assert.equal(await events.pullOnce(), 0)
      assert.equal((await call('Bearer one')).status, 200)
      op.events = [event('p-1'), event('p-2', { client_id: 'wiki' }), event('p-3', { type: 'user.updated' }), null]
      await assert.rejects(events.pullOnce(), /2 events could not be handled/)
      assert.deepEqual(op.events.map((e) => e?.id), ['p-2', undefined])
      assert.equal((await call('Bearer one')).status, 401)
      assert.deepEqual(seen.map((e) => e.id), ['p-1', 'p-3'])
      op.events = [event('p-4')]
      const stop = new AbortController()
      const pulling = events.pull(stop.signal)
      while (op.events.length > 0) await new Promise(setImmediate)
      stop.abort()
      await pulling
      op.down = true
      await assert.rejects(events.pullOnce(), /answered 500/)
    })
  })
}

test('secrets are checked, and not shown', () => {
  const kit = createKit({ issuer: 'https://id.example.com', clientId: 'shop', baseUrl: 'https://shop.example.com' })
  for (const secret of ['', 'hunter2hunter2hunter2', 'whsec_', 'whsec_aHVudGVyMg==', 'whsec_hunter2hunter2hunter2!', undefined]) {
    assert.throws(() => kit.events({ secrets: [SECRETS[0], secret] }), (error) => error instanceof TypeError && error.message.includes('secrets[1]') && !error.message.includes('hunter2'))
  }
})
