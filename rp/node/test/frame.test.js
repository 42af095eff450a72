// Session Management 1.0, 3.1: the frame that asks, and what becomes of the answers to prompt=none.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startApp } from './app.mjs'
import { Browser } from './browser.js'
import { startProvider } from './op.js'

for (const style of ['express', 'fetch']) {
  describe(style, () => {
    let op, app
    before(async () => {
      op = await startProvider()
      app = await startApp(style, { issuer: op.issuer })
    })
    after(() => [app, op].forEach((s) => s.close()))
    const frame = (browser, path = '/auth/session') => browser.text(app.url + path)

    test('it asks the provider for whoever is logged in', async () => {
      const alice = new Browser()
      assert.doesNotMatch(await frame(alice), /iframe|data-ended/)
      await alice.send(`${app.url}/page`)
      const page = await frame(alice)
      for (const part of [`<iframe id="provider" src="${op.issuer}/check" hidden>`, 'data-client="shop"', 'data-state="state.salt"', `data-origin="${op.issuer}"`, 'data-login="/auth/login?prompt=none"']) {
        assert.ok(page.includes(part), `${page} lacks ${part}`)
      }
      const { headers } = await alice.send(`${app.url}/auth/session`)
      assert.match(headers.get('content-security-policy'), new RegExp(`frame-ancestors 'self'; frame-src ${op.issuer}$`))
      assert.equal(headers.get('cache-control'), 'no-store')
      assert.match(await frame(alice, '/auth/session.js'), /postMessage/)
    })

    test('without a frame of the provider it does nothing', async () => {
      op.checkSession = false
      const plain = await startApp(style, { issuer: op.issuer })
      const alice = new Browser()
      await alice.send(`${plain.url}/page`)
      assert.doesNotMatch(await alice.text(`${plain.url}/auth/session`), /iframe|data-ended/)
      op.checkSession = true
      plain.close()
    })

    test('what has ended here already is not asked about', async () => {
      const asked = op.requests.length
      assert.match(await frame(new Browser(), '/auth/login?prompt=none'), /data-ended/)
      assert.equal(op.requests.length, asked)
    })

    const error = (code) => (answer) => { answer.delete('code'); answer.set('error', code) }
    for (const [name, bend, stays, part] of [
      ['the same person', { bendAnswer: (a) => a.set('session_state', 'state2.salt') }, true, /data-state="state2.salt"/],
      ['somebody else', { sub: 'bob' }, false, /data-ended/],
      ['nobody', { bendAnswer: error('login_required') }, false, /data-ended/],
      ['a question is to be asked', { bendAnswer: error('interaction_required') }, false, /data-ended/],
      ['the provider has a problem', { bendAnswer: error('server_error') }, true, /session.js/],
      ['another provider says no', { bendAnswer: (a) => { error('login_required')(a); a.set('iss', 'https://evil.example') } }, true, /session.js/],
      ['a token that cannot be accepted', { bendToken: (c) => ({ ...c, aud: 'x' }) }, true, /session.js/],
    ]) {
      test(`prompt=none: ${name}`, async () => {
        const usual = { sub: 'alice', bendAnswer: () => {}, bendToken: (c) => c }
        Object.assign(op, usual)
        const alice = new Browser()
        await alice.send(`${app.url}/page`)
        Object.assign(op, bend)
        const page = await frame(alice, '/auth/login?prompt=none')
        const asked = op.requests.at(-1)
        Object.assign(op, usual)
        assert.match(page, part)
        assert.equal(page.includes('data-ended'), !stays)
        assert.equal(asked.get('prompt'), 'none')
        assert.equal(asked.get('id_token_hint').split('.').length, 3)
        assert.equal((await alice.text(`${app.url}/`)) !== 'nobody', stays)
      })
    }
  })
}
