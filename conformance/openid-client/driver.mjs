// A relying party built on openid-client, driven line by line: each line it prints is a JSON request to the browser beside it, each line
// it reads is the answer. The test in ../node_test.go is that browser.
import * as readline from 'node:readline'
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { issuer, clientId, clientSecret, method, alg, redirectUri, postLogoutUri } = JSON.parse(process.argv[2])
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function ask(request) {
  process.stdout.write(JSON.stringify(request) + '\n')
  const { value, done } = await lines.next()
  if (done) throw new Error('nobody answers')
  return JSON.parse(value)
}

const auth = {
  client_secret_basic: () => client.ClientSecretBasic(clientSecret),
  client_secret_post: () => client.ClientSecretPost(clientSecret),
  none: () => client.None(),
}[method]()
const config = await client.discovery(new URL(issuer), clientId, { id_token_signed_response_alg: alg }, auth, {
  execute: [client.allowInsecureRequests],
})

async function login(extra) {
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const nonce = client.randomNonce()
  const start = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope: 'openid profile email', state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...extra,
  })
  const { to, body } = await ask({ browse: start.href })
  const callback = body
    ? new Request(to, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body })
    : new URL(to)
  return client.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, maxAge: 3600,
  })
}

const first = await login({ max_age: '3600' })
const posted = await login({ response_mode: 'form_post', prompt: 'none', max_age: '3600' })
assert.equal(posted.claims().sub, first.claims().sub)
assert.equal(posted.claims().sid, first.claims().sid)

const info = await client.fetchUserInfo(config, first.access_token, first.claims().sub)
assert.equal(info.email, 'alice@example.com')

const refreshed = await client.refreshTokenGrant(config, first.refresh_token)
assert.equal(refreshed.claims().sid, first.claims().sid)
assert.notEqual(refreshed.refresh_token, first.refresh_token)

if (method !== 'none') {
  assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, true)
}
await client.tokenRevocation(config, posted.access_token)
await assert.rejects(client.fetchUserInfo(config, posted.access_token, info.sub))

await assert.rejects(login({ prompt: 'none', id_token_hint: 'x.y.z' }), { error: 'invalid_request' })

const end = client.buildEndSessionUrl(config, { id_token_hint: refreshed.id_token, post_logout_redirect_uri: postLogoutUri, state: 'a b' })
const left = await ask({ browse: end.href })
assert.equal(left.to, postLogoutUri + '?state=a%20b')

const { token } = await ask({ logoutToken: first.id_token })
const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
const { payload } = await jwtVerify(token, keys, {
  issuer, audience: clientId, typ: 'logout+jwt', algorithms: [alg], maxTokenAge: '2m', requiredClaims: ['jti', 'events', 'sid', 'exp'],
})
assert.equal(payload.sid, first.claims().sid)
assert.equal(payload.sub, first.claims().sub)
assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} })

await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), { error: 'invalid_grant' })
await assert.rejects(login({ prompt: 'none' }), { error: 'login_required' })
process.stdout.write(JSON.stringify({ done: true }) + '\n')
process.exit(0)
