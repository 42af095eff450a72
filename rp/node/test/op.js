// A small OpenID Provider that a test can bend. Everybody who comes is logged in.
import { createHash, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

const { publicKey, privateKey } = await generateKeyPair('RS256')
const stranger = await generateKeyPair('RS256')
const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

export async function startProvider() {
  const codes = new Map()
  const op = { sub: 'alice', sid: 's-1', ends: [], requests: [], checkSession: true, introspected: [], introspection: {}, events: [], down: false, bendToken: (claims) => claims, bendAnswer: () => {}, beforeToken: async () => {} }
  const server = createServer({ keepAliveTimeout: 0 }, async (req, res) => {
    const url = new URL(req.url, op.issuer)
    let body = ''
    for await (const chunk of req) body += chunk
    const json = (value, status = 200) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    const authenticated = () => req.headers.authorization === `Basic ${Buffer.from('shop:secret').toString('base64')}`
    const routes = {
      '/.well-known/openid-configuration': () => json({
        issuer: op.issuer, jwks_uri: `${op.issuer}/keys`, authorization_endpoint: `${op.issuer}/authorize`, token_endpoint: `${op.issuer}/token`,
        introspection_endpoint: `${op.issuer}/introspect`, userinfo_endpoint: `${op.issuer}/userinfo`, end_session_endpoint: `${op.issuer}/end`, ...(op.checkSession && { check_session_iframe: `${op.issuer}/check` }), response_types_supported: ['code'],
        id_token_signing_alg_values_supported: ['RS256'], authorization_response_iss_parameter_supported: true,
      }),
      '/keys': async () => json({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', use: 'sig', alg: 'RS256' }] }),
      '/authorize': () => {
        const code = randomUUID()
        codes.set(code, url.searchParams)
        op.requests.push(url.searchParams)
        const answer = new URLSearchParams({ code, state: url.searchParams.get('state'), iss: op.issuer, session_state: 'state.salt' })
        op.bendAnswer(answer)
        res.writeHead(303, { location: `${url.searchParams.get('redirect_uri')}?${answer}` }).end()
      },
      '/token': async () => {
        const form = new URLSearchParams(body)
        const asked = codes.get(form.get('code'))
        codes.delete(form.get('code'))
        const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url')
        if (!asked || asked.get('code_challenge') !== challenge || req.headers.authorization !== `Basic ${Buffer.from('shop:secret').toString('base64')}`) return json({ error: 'invalid_grant' }, 400)
        const claims = op.bendToken({ iss: op.issuer, aud: 'shop', sub: op.sub, sid: op.sid, nonce: asked.get('nonce'), iat: now(), exp: now() + 300 })
        const id_token = await op.sign({ alg: 'RS256', kid: 'k' }, claims)
        await op.beforeToken()
        json({ access_token: 'access', token_type: 'Bearer', expires_in: 600, id_token })
      },
      '/introspect': () => {
        op.introspected.push(new URLSearchParams(body).get('token'))
        json(authenticated() ? op.introspection : {}, authenticated() ? 200 : 401)
      },
      '/api/events': () => json(authenticated() ? { events: op.events } : {}, authenticated() ? 200 : 401),
      '/api/events/ack': () => {
        const ids = new URLSearchParams(body).get('ids').split(' ')
        op.events = op.events.filter((event) => !ids.includes(event?.id))
        json({ acknowledged: ids.length, unknown: [] })
      },
      '/api/user-token': () => {
        const known = new URLSearchParams(body).get('user_token') === op.userToken
        op.userToken = undefined
        json(known ? { sub: op.sub } : { error: 'used_user_token' }, known ? 200 : 410)
      },
      '/userinfo': () => json({ sub: op.sub, name: 'Alice Doe' }),
      '/end': () => {
        op.ends.push(url.searchParams)
        res.writeHead(303, { location: `${url.searchParams.get('post_logout_redirect_uri')}?${new URLSearchParams({ state: url.searchParams.get('state') })}` }).end()
      },
    }
    if (op.down || !routes[url.pathname]) return res.writeHead(op.down ? 500 : 404).end()
    await routes[url.pathname]()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  op.issuer = `http://127.0.0.1:${server.address().port}`
  op.close = () => { server.closeAllConnections(); server.close() }
  op.sign = (header, claims, key = privateKey) => new SignJWT(claims).setProtectedHeader(header).sign(key)
  op.stranger = stranger.privateKey
  op.logoutClaims = (change = {}) => {
    const claims = { iss: op.issuer, aud: 'shop', iat: now(), exp: now() + 120, jti: randomUUID(), sub: op.sub, sid: op.sid, events: { [EVENT]: {} }, ...change }
    for (const name of Object.keys(claims)) if (claims[name] === undefined) delete claims[name]
    return claims
  }
  op.logoutToken = (change, header = {}, key) => op.sign({ alg: 'RS256', kid: 'k', typ: 'logout+jwt', ...header }, op.logoutClaims(change), key)
  return op
}

export const now = () => Math.floor(Date.now() / 1000)
