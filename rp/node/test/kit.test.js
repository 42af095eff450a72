import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createKit, MemoryStore } from '../src/index.js'
import { startApp } from './app.mjs'
import { Browser } from './browser.js'
import { now, startProvider } from './op.js'

const send = (app, body, headers = { 'content-type': 'application/x-www-form-urlencoded' }, method = 'POST') =>
  fetch(`${app.url}/auth/backchannel-logout`, { method, headers, ...(method === 'POST' && { body }) })
const sendToken = (app, token) => send(app, new URLSearchParams({ logout_token: token }).toString())

for (const style of ['express', 'fetch']) {
  describe(style, () => {
    let op, app, other
    before(async () => {
      op = await startProvider()
      const store = new MemoryStore()
      app = await startApp(style, { issuer: op.issuer, store })
      other = await startApp(style, { issuer: op.issuer, store })
    })
    after(() => [app, other, op].forEach((s) => s.close()))

    let count = 0
    async function login(where = app) {
      op.sid = `s-${style}-${++count}`
      op.sub = `alice-${count}`
      const alice = new Browser()
      assert.equal(await alice.text(`${where.url}/page?x=1`), `${op.sub} Alice Doe ${op.sid}`)
      return alice
    }

    test('login: PKCE, state and nonce of their own; the page is not cached', async () => {
      const alice = await login()
      const asked = op.requests.at(-1)
      assert.equal(asked.get('code_challenge_method'), 'S256')
      assert.equal(new Set([asked.get('state'), asked.get('nonce'), asked.get('code_challenge')]).size, 3)
      assert.equal((await alice.send(`${app.url}/page`)).headers.get('cache-control'), 'no-store')
      assert.equal(await new Browser().text(`${app.url}/`), 'nobody')
      assert.equal((await fetch(`${app.url}/page`, { headers: { accept: 'application/json' } })).status, 401)
    })

    test('login: an answer is good once, and in the browser that asked', async () => {
      const alice = new Browser()
      const begun = await alice.send(`${app.url}/auth/login`, { follow: false })
      const answer = await fetch(begun.headers.get('location'), { redirect: 'manual' })
      const callback = answer.headers.get('location')
      assert.equal((await new Browser().send(callback)).status, 400)
      const kept = new Map(alice.jar.get(new URL(app.url).host))
      assert.equal((await alice.send(callback)).status, 200)
      alice.jar.set(new URL(app.url).host, kept)
      assert.equal((await alice.send(callback)).status, 400)
    })

    for (const [name, bend, status] of [
      ['iss of another provider', () => { op.bendAnswer = (a) => a.set('iss', 'https://evil.example') }, 502],
      ['iss missing', () => { op.bendAnswer = (a) => a.delete('iss') }, 502],
      ['error', () => { op.bendAnswer = (a) => { a.delete('code'); a.set('error', 'access_denied') } }, 403],
      ['nonce', () => { op.bendToken = (c) => ({ ...c, nonce: 'x' }) }, 502],
      ['aud', () => { op.bendToken = (c) => ({ ...c, aud: 'payroll' }) }, 502],
      ['expired', () => { op.bendToken = (c) => ({ ...c, exp: now() - 600 }) }, 502],
    ]) {
      test(`login: ${name}`, async () => {
        bend()
        try {
          assert.equal((await new Browser().send(`${app.url}/page`)).status, status)
        } finally {
          op.bendAnswer = () => {}
          op.bendToken = (c) => c
        }
      })
    }

    test('no open redirect', async () => {
      for (const to of ['https://evil.example', '//evil.example', '/\\evil.example', 'javascript:x', '', '/\tx']) {
        const got = await new Browser().send(`${app.url}/auth/login?return_to=${encodeURIComponent(to)}`)
        assert.equal(got.at, `${app.url}/`, to)
      }
    })

    test('back channel: what a token means ends, on every instance, and nothing else', async () => {
      for (const [change, stays] of [[{}, false], [{ sub: undefined }, false], [{ sid: undefined }, false], [{ sid: 'other' }, true], [{ sub: 'other', sid: undefined }, true], [{ sid: undefined, iat: now() - 60 }, true]]) {
        const alice = await login()
        assert.equal((await sendToken(other, await op.logoutToken(change))).status, 200)
        assert.equal((await alice.text(`${app.url}/`)) !== 'nobody', stays, JSON.stringify(change))
      }
    })

    for (const [name, make] of Object.entries({
      'alg none': async () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(op.logoutClaims())).toString('base64url')}.`,
      'a stranger': () => op.logoutToken({}, {}, op.stranger),
      'typ': () => op.logoutToken({}, { typ: 'JWT' }),
      'iss': () => op.logoutToken({ iss: 'https://evil.example' }),
      'aud': () => op.logoutToken({ aud: 'payroll' }),
      'events': () => op.logoutToken({ events: undefined }),
      'event': () => op.logoutToken({ events: { other: {} } }),
      'nonce': () => op.logoutToken({ nonce: 'x' }),
      'expired': () => op.logoutToken({ exp: now() - 600 }),
      'no exp': () => op.logoutToken({ exp: undefined }),
      'future': () => op.logoutToken({ iat: now() + 600 }),
      'no jti': () => op.logoutToken({ jti: undefined }),
      'nobody': () => op.logoutToken({ sub: undefined, sid: undefined }),
      'garbage': async () => 'x.y.z',
    })) {
      test(`back channel: ${name} is 400`, async () => {
        const alice = await login()
        const response = await sendToken(app, await make())
        assert.equal(response.status, 400)
        assert.equal(response.headers.get('cache-control'), 'no-store')
        assert.equal((await response.json()).error, 'invalid_request')
        assert.notEqual(await alice.text(`${app.url}/`), 'nobody')
      })
    }

    test('back channel: replay, no typ, form, method', async () => {
      await login()
      const token = await op.logoutToken()
      assert.equal((await sendToken(app, token)).status, 200)
      assert.equal((await sendToken(other, token)).status, 400)
      assert.equal((await sendToken(app, await op.logoutToken({}, { typ: undefined }))).status, 200)
      assert.equal((await send(app, '{}', { 'content-type': 'application/json' })).status, 400)
      assert.equal((await send(app, 'x=1')).status, 400)
      assert.equal((await send(app, 'logout_token=' + 'x'.repeat(1 << 20))).status, 400)
      assert.equal((await send(app, undefined, {}, 'GET')).status, 405)
    })

    test('back channel: keys out of reach are 503, and the retry is welcome', async () => {
      const fresh = await startApp(style, { issuer: op.issuer })
      const token = await op.logoutToken()
      op.down = true
      assert.equal((await sendToken(fresh, token)).status, 503)
      op.down = false
      assert.equal((await sendToken(fresh, token)).status, 200)
      fresh.close()
    })

    test('a logout that overtakes the login', async () => {
      op.beforeToken = async () => { assert.equal((await sendToken(app, await op.logoutToken())).status, 200) }
      op.sid = `overtaken-${style}`
      const alice = new Browser()
      assert.equal((await alice.send(`${app.url}/page`)).status, 409)
      op.beforeToken = async () => {}
      assert.equal(await alice.text(`${app.url}/`), 'nobody')
    })

    test('RP-initiated logout: hint, state, and back', async () => {
      const alice = await login()
      for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }]) {
        assert.equal((await alice.send(`${app.url}/auth/logout`, { method: 'POST', headers })).status, 403)
      }
      assert.match(await alice.text(`${app.url}/auth/logout`), /<form method="post"/)
      assert.notEqual(await alice.text(`${app.url}/`), 'nobody')
      const back = await alice.send(`${app.url}/auth/logout`, { method: 'POST' })
      assert.equal(back.at, `${app.url}/`)
      assert.equal(await back.text(), 'nobody')
      const asked = op.ends.at(-1)
      assert.equal(asked.get('id_token_hint').split('.').length, 3)
      assert.equal(asked.get('post_logout_redirect_uri'), `${app.url}/auth/logged-out`)
      assert.equal(asked.get('state').length, 43)
    })

    test('front channel: by iss and sid, without a cookie', async () => {
      const alice = await login()
      const front = (query) => fetch(`${app.url}/auth/frontchannel-logout?${new URLSearchParams(query)}`)
      assert.equal((await front({ iss: 'https://evil.example', sid: op.sid })).status, 400)
      assert.equal((await front({ sid: op.sid })).status, 400)
      assert.equal((await front({ iss: op.issuer, sid: 'other' })).status, 200)
      assert.notEqual(await alice.text(`${app.url}/`), 'nobody')
      const response = await front({ iss: op.issuer, sid: op.sid })
      assert.equal(response.status, 200)
      assert.match(response.headers.get('cache-control'), /no-store/)
      assert.match(response.headers.get('content-security-policy'), /frame-ancestors http/)
      assert.equal(await alice.text(`${app.url}/`), 'nobody')
    })

    test('open tabs hear of the end at once, on every instance', async () => {
      const alice = await login()
      const cookie = [...alice.jar.get(new URL(app.url).host)].map(([name, value]) => `${name}=${value}`).join('; ')
      const open = await Promise.all([app, other].map(({ url }) => fetch(`${url}/auth/live`, { headers: { cookie } })))
      const heard = open.map((response) => response.text()) // each ends with its session
      assert.equal((await sendToken(app, await op.logoutToken())).status, 200)
      for (const text of await Promise.all(heard)) assert.match(text, /event: ended/)
      assert.equal((await fetch(`${app.url}/auth/live`)).status, 204)
      assert.equal((await fetch(`${app.url}/auth/live`, { headers: { cookie, 'sec-fetch-site': 'cross-site' } })).status, 403)
      assert.match(await (await fetch(`${app.url}/auth/live.js`)).text(), /EventSource/)
    })

    test('the bodies of other requests are left alone', async () => {
      const response = await fetch(`${app.url}/echo`, { method: 'POST', body: 'hello', headers: { 'content-type': 'text/plain' } })
      assert.equal(await response.text(), 'hello')
    })

    test('a store that is down lets nobody in', async () => {
      const store = new MemoryStore()
      const fragile = await startApp(style, { issuer: op.issuer, store })
      const alice = await login(fragile)
      store.get = async () => { throw new Error('down') }
      assert.equal((await alice.send(`${fragile.url}/page`, { follow: false })).status, 503)
      assert.equal((await sendToken(fragile, await op.logoutToken())).status, 503)
      delete store.get
      assert.notEqual(await alice.text(`${fragile.url}/page`), 'nobody')
      fragile.close()
    })
  })
}

test('createKit names the field', () => {
  const good = { issuer: 'https://id.example.com', clientId: 'shop', baseUrl: 'https://shop.example.com' }
  for (const [field, value] of Object.entries({ issuer: '', clientId: '', baseUrl: 'https://shop.example.com/app', algorithms: ['HS256'], afterLogout: '//evil', authMethod: 'client_secret_post' })) {
    assert.throws(() => createKit({ ...good, [field]: value }), (error) => error.message.includes(field === 'authMethod' ? 'clientSecret' : field))
  }
  createKit(good)
})

test('MemoryStore: expiry, raise, and a flood of one kind', async () => {
  let time = 0
  const store = new MemoryStore({ limit: 2, now: () => time })
  await store.put('session:1', 'a', 10)
  assert.equal(await store.get('session:1'), 'a')
  for (const key of ['state:1', 'state:2', 'state:3']) await store.put(key, 'x', 10)
  assert.deepEqual(await Promise.all(['session:1', 'state:1', 'state:2', 'state:3'].map((key) => store.get(key))), ['a', undefined, 'x', 'x'])
  assert.deepEqual([await store.raise('e:1', 'b', 10), await store.raise('e:1', 'b', 10), await store.raise('e:1', 'a', 10), await store.raise('e:1', 'c', 10)], [true, false, false, true])
  time = 10
  assert.equal(await store.get('session:1'), undefined)
  assert.equal(await store.raise('e:1', 'a', 20), true)
})
