import { createRemoteJWKSet, customFetch, decodeProtectedHeader, errors, jwtVerify } from 'jose'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const MAX_TOKEN = 16 << 10
const MAX_AGE = 600 // seconds; from then on a token is refused even if it has not expired

/** The token is refused for good: 400. */
export class TokenError extends Error {}
/** Nobody can judge the token now: 503. */
export class TemporaryError extends Error {}

/** Returns a function that checks logout tokens (Back-Channel Logout 1.0, 2.4 and 2.6). */
export function logoutTokenVerifier({ issuer, clientId, algorithms, skew, now, keys }) {
  return async function verify(raw) {
    // 1. Size and form.
    if (typeof raw !== 'string' || raw.length > MAX_TOKEN) throw new TokenError('the token is missing or too long')
    let header
    try {
      header = decodeProtectedHeader(raw)
    } catch {
      throw new TokenError('the token is no JWS')
    }
    // 2. typ: logout+jwt, or none as older providers do.
    const typ = 'typ' in header ? String(header.typ).toLowerCase().replace(/^application\//, '') : undefined
    if (typ !== undefined && typ !== 'logout+jwt') throw new TokenError('typ is not logout+jwt')
    // 3. alg, key, signature, iss, aud, exp.
    let claims
    try {
      claims = await (await keys()).verify(raw, { issuer, audience: clientId, algorithms, clockTolerance: skew, currentDate: new Date(now()), requiredClaims: ['exp', 'iat', 'jti'] })
    } catch (error) {
      if (error instanceof TemporaryError) throw error
      throw new TokenError(error instanceof errors.JOSEError ? error.message : 'the token cannot be verified')
    }
    // 4. iat: neither in the future nor too old.
    const seconds = now() / 1000
    if (typeof claims.iat !== 'number' || claims.iat > seconds + skew || claims.iat < seconds - MAX_AGE - skew) throw new TokenError('iat is in the future or too long ago')
    if (typeof claims.jti !== 'string' || claims.jti === '') throw new TokenError('jti is no string')
    // 5. events: the logout event, an object.
    const event = isObject(claims.events) ? claims.events[EVENT] : undefined
    if (!isObject(event)) throw new TokenError('events has no logout event')
    // 6. sub, sid: at least one.
    for (const name of ['sub', 'sid']) {
      if (name in claims && (typeof claims[name] !== 'string' || claims[name] === '')) throw new TokenError(`${name} is no string`)
    }
    if (!('sub' in claims) && !('sid' in claims)) throw new TokenError('the token has neither sub nor sid')
    // 7. nonce: absent.
    if ('nonce' in claims) throw new TokenError('the token has a nonce, as only ID tokens do')
    return claims
  }
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The provider's keys. What cannot be fetched, or was asked for a moment ago, is a TemporaryError and no refusal. */
export function remoteKeys(jwksUri, fetch) {
  const options = { cooldownDuration: 10_000, cacheMaxAge: 3_600_000, timeoutDuration: 8_000 }
  if (fetch) options[customFetch] = fetch
  const set = createRemoteJWKSet(new URL(jwksUri), options)
  return {
    async verify(raw, expected) {
      const asked = set.coolingDown
      try {
        return (await jwtVerify(raw, set, expected)).payload
      } catch (error) {
        if (error instanceof errors.JWKSNoMatchingKey && asked) throw new TemporaryError('the keys were asked for a moment ago')
        const about = ['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID'].includes(error.code) || !(error instanceof errors.JOSEError)
        if (about && !(error instanceof TokenError)) throw new TemporaryError('the keys could not be fetched', { cause: error })
        throw error
      }
    },
  }
}
