import { readFileSync } from 'node:fs'
import * as client from 'openid-client'
import { Bearer } from './bearer.js'
import { limited, TooLongError } from './body.js'
import { complete } from './config.js'
import { Events } from './events.js'
import { escape, framePage, LOGGED_OUT, SESSION_JS } from './frame.js'
import { cookies, isLocal, redirect, script, text } from './http.js'
import { logoutTokenVerifier, remoteKeys, TemporaryError, TokenError } from './logouttoken.js'
import { derive, newSecret, same, seal, storeKey, unseal } from './secret.js'
import { withRaise } from './store.js'

const LIVE_JS = readFileSync(new URL('./live.browser.js', import.meta.url))
const ATTEMPT_LIFE = 900 // seconds that somebody may take to log in
const MAX_ATTEMPTS = 5
/** How long the body of a request may be. */
export const MAX_BODY = 64 << 10
const LIVE_POLL = 1000 // milliseconds, by which instances hear of each other's logouts
const LIVE_BEAT = 15_000
const MAX_ANSWER = 8 << 20 // bytes of an answer of the provider
const CALL_TIMEOUT = 15_000

export class Kit {
  #cfg
  #store
  #verify
  #tabs = new Map() // functions by what may end their sessions
  #discovered

  constructor(config) {
    this.#cfg = complete(config)
    this.#store = withRaise(this.#cfg.store)
    let keys
    this.#verify = logoutTokenVerifier({
      ...this.#cfg,
      skew: 60,
      keys: async () => {
        try {
          return (keys ??= remoteKeys((await this.#provider()).serverMetadata().jwks_uri, this.#cfg.fetch))
        } catch (error) {
          throw new TemporaryError('the provider cannot be reached', { cause: error })
        }
      },
    })
  }

  /** Whether a path is one of the kit's own. */
  owns(pathname) {
    return pathname.startsWith(this.#cfg.prefix + '/')
  }

  /** Answers the kit's own addresses; undefined for any other. */
  async handle(request) {
    const url = new URL(request.url)
    if (!this.owns(url.pathname)) return undefined
    const route = {
      '/login': this.login, '/callback': this.callback, '/logout': this.logout, '/logged-out': this.loggedOut,
      '/backchannel-logout': this.backchannelLogout, '/frontchannel-logout': this.frontchannelLogout, '/live': this.live, '/live.js': () => script(LIVE_JS),
      '/session': this.sessionFrame, '/session.js': () => script(SESSION_JS),
    }[url.pathname.slice(this.#cfg.prefix.length)]
    if (!route) return new Response('Not found', { status: 404 })
    try {
      return await route.call(this, request, url)
    } catch (error) {
      this.#cfg.log('this is not possible at the moment', error)
      return text(503, 'This is not possible at the moment. Try again shortly.', { 'retry-after': '5' })
    }
  }

  /** The person who is logged in, or null. Rejects if the store does not answer: nobody passes then. */
  async user(request) {
    const found = await this.#live(this.#sessionCookie(request))
    return found ? publicUser(found) : null
  }

  /** Stands before a fetch-style handler that only people who are logged in may reach. */
  protect(handler) {
    return async (request, ...rest) => {
      let user
      try {
        user = await this.user(request)
      } catch (error) {
        this.#cfg.log('a session could not be read', error)
        return text(503, 'This is not possible at the moment. Try again shortly.', { 'retry-after': '5' })
      }
      if (!user) return this.#refuse(request)
      const response = await handler(request, user, ...rest)
      if (response.headers.has('cache-control')) return response
      const uncached = new Response(response.body, response)
      uncached.headers.set('cache-control', 'no-store')
      return uncached
    }
  }

  /** The guard of an API that takes access tokens. */
  bearer(config) {
    return new Bearer(this.#inside(), config)
  }

  /** Receives the provider's events, by webhook or by asking for them. */
  events(config) {
    return new Events(this.#inside(), config)
  }

  // What the kit's other parts may know and do.
  #inside() {
    const { issuer, clientId, now, log, sessionLife } = this.#cfg
    return {
      issuer, clientId, now, log, sessionLife, store: this.#store, end: (ending) => this.#end(ending), hasEnded: (login) => this.#hasEnded(login),
      metadata: async () => (await this.#provider()).serverMetadata(), call: (url, form) => this.#call(url, form),
    }
  }

  // Asks an endpoint of the provider that authenticates clients as its token endpoint does (RFC 6749, 2.3.1), and returns its answer.
  async #call(url, form) {
    const { clientId, clientSecret, authMethod, allowInsecure } = this.#cfg
    if (!url.startsWith('https:') && !allowInsecure) throw new Error(`${url} is not https`)
    const headers = new Headers({ accept: 'application/json' })
    const body = new URLSearchParams(form)
    if (authMethod === 'client_secret_basic') {
      const encode = (text) => new URLSearchParams({ x: text }).toString().slice(2)
      headers.set('authorization', `Basic ${Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64')}`)
    } else {
      body.set('client_id', clientId)
      if (authMethod === 'client_secret_post') body.set('client_secret', clientSecret)
    }
    const response = await (this.#cfg.fetch ?? fetch)(url, { method: 'POST', headers, body, redirect: 'error', signal: AbortSignal.timeout(CALL_TIMEOUT) })
    const text = await limited(response.body, MAX_ANSWER)
    if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
    const answer = JSON.parse(text.toString())
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) throw new Error(`${url} answered no JSON object`)
    return answer
  }

  #refuse(request) {
    const mode = request.headers.get('sec-fetch-mode')
    const navigates = ['GET', 'HEAD'].includes(request.method) && (mode ? mode === 'navigate' : (request.headers.get('accept') ?? '').includes('text/html'))
    if (!navigates) return text(401, 'You are not signed in.', { 'www-authenticate': 'Cookie' })
    const url = new URL(request.url)
    return redirect(`${this.#cfg.prefix}/login?return_to=${encodeURIComponent(url.pathname + url.search)}`)
  }

  async #provider() {
    if (!this.#discovered) {
      const { issuer, clientId, clientSecret, authMethod, algorithms, allowInsecure, fetch } = this.#cfg
      const auth = { client_secret_basic: client.ClientSecretBasic, client_secret_post: client.ClientSecretPost, none: client.None }[authMethod](clientSecret)
      const options = { execute: allowInsecure ? [client.allowInsecureRequests] : [], timeout: 10 }
      if (fetch) options[client.customFetch] = fetch
      const attempt = client.discovery(new URL(issuer), clientId, { id_token_signed_response_alg: algorithms[0] }, auth, options)
      this.#discovered = attempt
      attempt.catch(() => { this.#discovered = undefined }) // the provider may have started after us
    }
    return this.#discovered
  }

  // Login (OpenID Connect Core 1.0, 3.1.2.1).
  async login(request, url) {
    const provider = await this.#provider()
    // The attempt lives in the browser that began it: its seed makes state, nonce and PKCE verifier.
    const returnTo = url.searchParams.get('return_to')
    const silent = url.searchParams.get('prompt') === 'none' // in a frame of our page (Session Management 1.0, 3.1)
    const current = silent && (await this.#live(this.#sessionCookie(request)))
    if (silent && !current) return this.#frame({ ended: true }) // there is nothing to ask the provider
    const seed = newSecret()
    const state = derive(seed, 'state')
    const to = client.buildAuthorizationUrl(provider, {
      ...this.#cfg.authParams, redirect_uri: this.#url('/callback'), scope: this.#cfg.scope, state, nonce: derive(seed, 'nonce'),
      code_challenge: await client.calculatePKCECodeChallenge(derive(seed, 'verifier')), code_challenge_method: 'S256',
      ...(silent && { prompt: 'none', id_token_hint: current.idToken }), // the hint says whose session is asked after
    })
    const headers = new Headers()
    const pending = Object.keys(cookies(request)).filter((name) => name.startsWith(this.#cookie('login') + '_'))
    if (pending.length >= MAX_ATTEMPTS) for (const name of pending) this.#dropCookie(headers, name)
    this.#setCookie(headers, this.#attemptCookie(state), `${seed}.${silent}.${Buffer.from(isLocal(returnTo) ? returnTo : '/').toString('hex')}`, ATTEMPT_LIFE)
    return redirect(to.href, headers)
  }

  // The redirect_uri (OpenID Connect Core 1.0, 3.1.2.5 to 3.1.3.8).
  async callback(request, url) {
    const headers = new Headers({ 'referrer-policy': 'no-referrer' })
    // 1. A state that this browser was given, and that was not used before.
    const state = url.searchParams.get('state') ?? ''
    const [seed = '', silent, encoded = ''] = (cookies(request)[this.#attemptCookie(state)] ?? '').split('.')
    if (seed.length !== 43 || !same(derive(seed, 'state'), state)) return text(400, 'This sign-in did not begin here. Start again.', headers)
    this.#dropCookie(headers, this.#attemptCookie(state))
    if (!(await this.#store.raise(storeKey('state', state), '1', this.#cfg.now() + ATTEMPT_LIFE * 1000))) {
      return text(400, 'This sign-in did not begin here. Start again.', headers)
    }
    // 2. The answer: a session, or a reason why there is none.
    const provider = await this.#provider()
    let session, refused
    try {
      session = await this.#exchange(provider, seed, state, url)
    } catch (error) {
      this.#cfg.log('a sign-in did not complete', error)
      refused = error
    }
    if (silent === 'true') return this.#finishSilently(request, headers, session, refused)
    if (refused instanceof client.AuthorizationResponseError) return text(403, `You are not signed in. The provider answered: ${refused.error}`, headers)
    if (refused) return text(502, 'The sign-in did not complete. Start again.', headers)
    // 3. The session, unless a logout has overtaken it: the logout marks first, the login asks last.
    const cookie = newSecret()
    await this.#put(cookie, session)
    await this.#drop(this.#sessionCookie(request))
    if (!(await this.#live(cookie))) return text(409, 'You were signed out meanwhile. Sign in again.', headers)
    this.#setCookie(headers, this.#cookie('session'), cookie, this.#cfg.sessionLife)
    const returnTo = Buffer.from(encoded, 'hex').toString()
    return redirect(isLocal(returnTo) ? returnTo : '/', headers)
  }

  // Turns the provider's answer into a session: iss, nonce, PKCE and the ID token are openid-client's work.
  async #exchange(provider, seed, state, url) {
    const answer = new URL(this.#url('/callback'))
    answer.search = url.search
    const tokens = await client.authorizationCodeGrant(provider, answer, {
      pkceCodeVerifier: derive(seed, 'verifier'), expectedState: state, expectedNonce: derive(seed, 'nonce'), idTokenExpected: true,
    })
    const claims = tokens.claims()
    const now = this.#cfg.now()
    let info = {}
    if (provider.serverMetadata().userinfo_endpoint) {
      info = await client.fetchUserInfo(provider, tokens.access_token, claims.sub).catch((error) => {
        this.#cfg.log('no userinfo; the claims of the ID token must do', error)
        return {}
      })
    }
    return {
      iss: claims.iss, sub: claims.sub, sid: claims.sid, iat: claims.iat, loggedInAt: now, until: now + this.#cfg.sessionLife * 1000,
      idToken: tokens.id_token, accessToken: tokens.access_token, sessionState: url.searchParams.get('session_state') ?? undefined, claims: { ...info, ...claims },
    }
  }

  // A page to be embedded, hidden, in the pages of somebody who is logged in (Session Management 1.0, 3.1).
  async sessionFrame(request) {
    const found = await this.#live(this.#sessionCookie(request))
    if (!found?.sessionState) return this.#frame({})
    const metadata = await this.#provider().then((provider) => provider.serverMetadata(), () => ({}))
    if (!metadata.check_session_iframe) return this.#frame({})
    return this.#frame({ client: this.#cfg.clientId, state: found.sessionState, frame: metadata.check_session_iframe, login: `${this.#cfg.prefix}/login?prompt=none` })
  }

  // Ends a prompt=none login in the frame.
  async #finishSilently(request, headers, answered, refused) {
    const cookie = this.#sessionCookie(request)
    const current = await this.#live(cookie)
    const loggedOut = refused instanceof client.AuthorizationResponseError && LOGGED_OUT.has(refused.error)
    // Nothing is known: the session stays, and is watched no longer.
    if (refused && !loggedOut) return this.#frame({}, headers)
    if (!refused && current && answered.iss === current.iss && answered.sub === current.sub) {
      // The same person: the session goes on with what the provider says now.
      await this.#put(cookie, { ...answered, loggedInAt: current.loggedInAt, until: current.until })
      return redirect(`${this.#cfg.prefix}/session`, headers)
    }
    if (cookie) {
      await this.#drop(cookie)
      this.#dropCookie(headers, this.#cookie('session'))
    }
    return this.#frame({ ended: true }, headers)
  }

  #frame = (data, headers) => framePage(this.#cfg.prefix, data, headers)

  async #put(cookie, session) {
    await this.#store.put(storeKey('session', cookie), seal(cookie, session), session.until)
    if (session.sid) await this.#store.put(storeKey('sid', session.iss, session.sid), '1', session.until)
  }

  // Logout here and at the provider (RP-Initiated Logout 1.0, 2).
  async logout(request) {
    if (request.method === 'GET' || request.method === 'HEAD') {
      const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign out</title><h1>Sign out?</h1>
<form method="post" action="${escape(this.#cfg.prefix)}/logout"><button id="logout">Sign out</button></form></html>`
      return new Response(page, { headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'" } })
    }
    if (request.method !== 'POST') return text(405, '', { allow: 'GET, POST' })
    // 1. From a page of this application.
    const site = request.headers.get('sec-fetch-site')
    const origin = request.headers.get('origin')
    if (site ? !['same-origin', 'none'].includes(site) && origin !== this.#cfg.baseUrl : origin && origin !== this.#cfg.baseUrl) {
      return text(403, 'Nothing was ended. This request did not come from a page of this application.')
    }
    // 2. It ends here in any case.
    const cookie = this.#sessionCookie(request)
    const session = await this.#session(cookie)
    await this.#drop(cookie)
    const headers = new Headers({ 'referrer-policy': 'no-referrer' })
    this.#dropCookie(headers, this.#cookie('session'))
    if (!session) return redirect(this.#cfg.afterLogout, headers)
    // 3. And at the provider, which tells the others.
    let provider
    try {
      provider = await this.#provider()
    } catch (error) {
      this.#cfg.log('the provider does not answer', error)
      return text(502, 'You are signed out here only: the provider does not answer.', headers)
    }
    if (!provider.serverMetadata().end_session_endpoint) return redirect(this.#cfg.afterLogout, headers)
    const state = newSecret()
    this.#setCookie(headers, this.#cookie('logout'), state, ATTEMPT_LIFE)
    return redirect(client.buildEndSessionUrl(provider, { id_token_hint: session.idToken, post_logout_redirect_uri: this.#url('/logged-out'), state }).href, headers)
  }

  // The post_logout_redirect_uri (RP-Initiated Logout 1.0, 3). Another state than was sent changes nothing: the session has ended.
  async loggedOut(request, url) {
    if (!same(cookies(request)[this.#cookie('logout')] ?? '', url.searchParams.get('state') ?? '')) this.#cfg.log('the browser returned from a logout with another state, or none')
    const headers = new Headers()
    this.#dropCookie(headers, this.#cookie('logout'))
    return redirect(this.#cfg.afterLogout, headers)
  }

  // The backchannel_logout_uri (Back-Channel Logout 1.0, 2.5 to 2.8).
  async backchannelLogout(request) {
    if (request.method !== 'POST') return text(405, '', { allow: 'POST' })
    try {
      const type = (request.headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase()
      if (type !== 'application/x-www-form-urlencoded') throw new TokenError('Content-Type is not application/x-www-form-urlencoded')
      const form = new URLSearchParams((await limited(request.body, MAX_BODY)).toString())
      if (form.getAll('logout_token').length !== 1) throw new TokenError('the body has not one logout_token')
      const token = await this.#verify(form.get('logout_token'))
      // Ended first, remembered afterwards: a failure between the two leads to a retry, and never to a lost logout.
      const key = storeKey('jti', this.#cfg.issuer, token.jti)
      if ((await this.#store.get(key)) !== undefined) throw new TokenError('a token with this jti was received before')
      await this.#end({ iss: token.iss, sub: token.sub, sid: token.sid, at: token.iat * 1000 })
      if (!(await this.#store.raise(key, '1', this.#cfg.now() + 1_200_000))) throw new TokenError('a token with this jti was received before')
    } catch (error) {
      this.#cfg.log('a logout token was not accepted', error)
      const refused = error instanceof TokenError || error instanceof TooLongError
      return Response.json(
        { error: refused ? 'invalid_request' : 'temporarily_unavailable', ...(refused && { error_description: error.message.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?') }) },
        { status: refused ? 400 : 503, headers: { 'cache-control': 'no-store', ...(!refused && { 'retry-after': '5' }) } },
      )
    }
    return new Response(null, { status: 200, headers: { 'cache-control': 'no-store' } })
  }

  // The frontchannel_logout_uri (Front-Channel Logout 1.0, 2): by iss and sid, without a cookie, which browsers keep from frames.
  async frontchannelLogout(request, url) {
    const headers = {
      'cache-control': 'no-cache, no-store', pragma: 'no-cache', 'referrer-policy': 'no-referrer',
      'content-security-policy': `default-src 'none'; frame-ancestors ${new URL(this.#cfg.issuer).origin}`,
    }
    if (request.method !== 'GET') return text(405, '', { ...headers, allow: 'GET' })
    const [iss, sid] = ['iss', 'sid'].map((name) => url.searchParams.getAll(name))
    if (iss.length !== 1 || sid.length !== 1 || !sid[0] || iss[0] !== this.#cfg.issuer) return text(400, 'iss and sid must both be there, and of the provider of this application.', headers)
    // Anybody can call this; a sid that was never here ends nothing.
    if ((await this.#store.get(storeKey('sid', iss[0], sid[0]))) !== undefined) await this.#end({ iss: iss[0], sid: sid[0], at: this.#cfg.now() })
    return new Response('<!doctype html><title>Signed out</title>', { headers: { ...headers, 'content-type': 'text/html; charset=utf-8' } })
  }

  // Open tabs, by server-sent events.
  async live(request) {
    const site = request.headers.get('sec-fetch-site')
    if (site && site !== 'same-origin') return text(403, '')
    const cookie = this.#sessionCookie(request)
    if (!cookie) return new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } })
    const session = await this.#live(cookie)
    const headers = new Headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    const ended = 'event: ended\ndata: {}\n\n'
    if (!session) {
      this.#dropCookie(headers, this.#cookie('session'))
      return new Response(ended, { headers })
    }
    const keys = [storeKey('session', cookie), endedKey(session.iss, undefined, session.sid), endedKey(session.iss, session.sub)]
    const encoder = new TextEncoder()
    let close
    const stream = new ReadableStream({
      start: (controller) => {
        const look = async () => {
          try {
            if (await this.#live(cookie)) return
            controller.enqueue(encoder.encode(ended))
          } catch {
            return // a store that fails for a moment is no logout
          }
          close()
          controller.close()
        }
        const poll = setInterval(look, LIVE_POLL)
        const beat = setInterval(() => controller.enqueue(encoder.encode(': still here\n\n')), LIVE_BEAT)
        for (const key of keys) this.#tabs.set(key, (this.#tabs.get(key) ?? new Set()).add(look))
        close = () => {
          clearInterval(poll)
          clearInterval(beat)
          for (const key of keys) {
            this.#tabs.get(key)?.delete(look)
            if (this.#tabs.get(key)?.size === 0) this.#tabs.delete(key)
          }
        }
        controller.enqueue(encoder.encode('retry: 2000\n\n'))
        look()
      },
      cancel: () => close(),
    })
    return new Response(stream, { headers })
  }

  // The one way by which the kit learns that a session has ended elsewhere.
  async #end(ending) {
    const key = endedKey(ending.iss, ending.sub, ending.sid)
    await this.#store.raise(key, timeValue(ending.at), this.#cfg.now() + this.#cfg.sessionLife * 1000)
    await this.#cfg.ended?.(ending)
    this.#tell(key)
  }

  #tell(key) {
    for (const look of this.#tabs.get(key) ?? []) look()
  }

  async #session(cookie) {
    if (!cookie) return undefined
    const sealed = await this.#store.get(storeKey('session', cookie))
    const session = sealed === undefined ? undefined : unseal(cookie, sealed)
    return session && session.until > this.#cfg.now() ? session : undefined
  }

  async #live(cookie) {
    const session = await this.#session(cookie)
    if (!session || !(await this.#hasEnded(session))) return session
    await this.#store.delete(storeKey('session', cookie))
    return undefined
  }

  // By sid or, for logouts without one, by comparing the last logout with the login.
  async #hasEnded({ iss, sub, sid, iat }) {
    if (sid && (await this.#store.get(endedKey(iss, undefined, sid))) !== undefined) return true
    const last = await this.#store.get(endedKey(iss, sub))
    return last !== undefined && timeValue(iat * 1000) <= last
  }

  async #drop(cookie) {
    if (!cookie) return
    await this.#store.delete(storeKey('session', cookie))
    this.#tell(storeKey('session', cookie))
  }

  #url = (path) => this.#cfg.baseUrl + this.#cfg.prefix + path
  #sessionCookie = (request) => cookies(request)[this.#cookie('session')] ?? ''
  #attemptCookie = (state) => `${this.#cookie('login')}_${storeKey('', state).slice(1, 9)}`

  // Cookies do not distinguish ports: two applications on one host would otherwise log each other out.
  #cookie(purpose) {
    const name = `${purpose}_${storeKey('', this.#cfg.issuer, this.#cfg.clientId).slice(1, 9)}`
    return this.#cfg.secure ? `__Host-${name}` : name
  }

  #setCookie(headers, name, value, seconds) {
    headers.append('set-cookie', `${name}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${this.#cfg.secure ? '; Secure' : ''}`)
  }

  #dropCookie(headers, name) {
    this.#setCookie(headers, name, '', 0)
  }
}

const timeValue = (ms) => String(Math.max(0, Math.floor(ms))).padStart(16, '0')

const endedKey = (iss, sub, sid) => (sid ? storeKey('ended', 'sid', iss, sid) : storeKey('ended', 'sub', iss, sub ?? ''))

function publicUser({ iss, sub, sid, loggedInAt, until, claims, accessToken }) {
  return { iss, sub, sid, loggedInAt: new Date(loggedInAt), until: new Date(until), claims, accessToken }
}
