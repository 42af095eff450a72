import type { IncomingMessage, ServerResponse } from 'node:http'

/** Who the application is, and at which provider. */
export interface Config {
  /** The provider, exactly as its discovery document names it. */
  issuer: string
  clientId: string
  /** Without it the client is a public one. */
  clientSecret?: string
  /** Where browsers reach the application: scheme, host and port. With https the cookies are Secure and have the prefix __Host-. */
  baseUrl: string
  /** The path under which the kit's own addresses lie. Defaults to "/auth". */
  prefix?: string
  /** Defaults to client_secret_basic, or none without a secret. */
  authMethod?: 'client_secret_basic' | 'client_secret_post' | 'none'
  /** Defaults to "openid profile email". */
  scope?: string
  /** Further parameters of the authorization request. */
  authParams?: Record<string, string>
  /** Those of ID tokens and logout tokens; the first is the client's id_token_signed_response_alg. Defaults to ["RS256"]. */
  algorithms?: string[]
  /** The longest life of a session, in seconds. Defaults to twelve hours. */
  sessionLife?: number
  /** Shared by the instances of the application. Defaults to a MemoryStore. */
  store?: Store
  /** Told of every end before the provider is answered. If it rejects, the provider tries again. It may be called more than once for one end. */
  ended?: (ending: Ending) => void | Promise<void>
  /** A local path where the browser arrives after a logout; not a protected one. Defaults to "/". */
  afterLogout?: string
  /** Allows an http issuer, for development. */
  allowInsecure?: boolean
  /** Defaults to the global one. */
  fetch?: typeof fetch
  /** Milliseconds since 1970. Defaults to Date.now. */
  now?: () => number
  /** Defaults to console.warn. No token is ever logged. */
  log?: (message: string, error?: unknown) => void
}

/** The end of one session or, without sid, of all that sub had at the time. */
export interface Ending {
  iss: string
  sub?: string
  sid?: string
  /** When it ended by the provider's clock, in milliseconds since 1970. */
  at: number
}

/** The person who is logged in. */
export interface User {
  iss: string
  sub: string
  sid?: string
  loggedInAt: Date
  until: Date
  /** Those of the ID token and of the userinfo endpoint. */
  claims: Record<string, unknown>
  accessToken: string
}

/** Keys are ASCII, at most 100 characters; values are texts. Times are milliseconds since 1970. What one instance writes the next must read. */
export interface Store {
  get(key: string): Promise<string | undefined>
  put(key: string, value: string, until: number): Promise<void>
  delete(key: string): Promise<void>
  /** Sets the value if there is none or it is smaller, and says whether it did; atomic. Without it two instances judge the same moment alone. */
  raise?(key: string, value: string, until: number): Promise<boolean>
}

/** A store in the memory of one process. */
export class MemoryStore implements Store {
  constructor(options?: { limit?: number; now?: () => number })
  get(key: string): Promise<string | undefined>
  put(key: string, value: string, until: number): Promise<void>
  delete(key: string): Promise<void>
  raise(key: string, value: string, until: number): Promise<boolean>
}

/** Which access tokens an API accepts. */
export interface BearerConfig {
  /** All of them must have been granted. Defaults to none. */
  scopes?: string[]
  /** Must be in the token's aud. Defaults to none, which is right only for a provider that shows this client its own tokens alone. */
  audience?: string
  /** For how many seconds the provider is not asked again about a token that it called active, and with it the longest time for which a token revoked by itself is still accepted. Defaults to thirty. */
  cacheFor?: number
  /** The greatest number of tokens remembered. Defaults to 100,000. */
  limit?: number
}

/**
 * The guard of an API that takes access tokens (RFC 6750). It asks the provider about each token by introspection (RFC 7662) and remembers the answer
 * for a short while. A token whose session has ended is refused at once, by what the kit was told, without asking: by the answer's sid or, if the
 * provider names none, by sub and iat. All other requests are answered 401, 403 or, if nothing can be known, 503.
 */
export interface Bearer {
  protect<Rest extends unknown[]>(handler: (request: Request, user: User, ...rest: Rest) => Response | Promise<Response>): (request: Request, ...rest: Rest) => Promise<Response>
}

/** How the provider's events reach the application. */
export interface EventsConfig {
  /** Those of the webhook, newest first, as "whsec_" and base64. Needed by receive. */
  secrets?: string[]
  /** Where events are pulled. Defaults to /api/events at the issuer. */
  eventsUrl?: string
  /** Where one-time user tokens are exchanged. Defaults to /api/user-token at the issuer. */
  userTokenUrl?: string
  /** Told of every event, also of those that end nothing. If it rejects, the event comes again. It may be called more than once for one event, and for events that are days old. */
  handle?: (event: ProviderEvent) => void | Promise<void>
  /** By how many seconds the clock of a webhook may differ from ours. Defaults to 300. */
  tolerance?: number
}

/** One event of the provider. */
export interface ProviderEvent {
  /** The same whenever and however the event comes. */
  id: string
  /** Such as "session.ended" or "user.logged_out". */
  type: string
  sub?: string
  sid?: string
  /** Why sessions ended, such as "rp_initiated". */
  cause?: string
  occurredAt: Date
  /** Everything that the event says. */
  data: Record<string, unknown>
}

/**
 * Receives the provider's events and ends what they end, as a logout token does: session.ended and device.detached the session with that sid;
 * user.logged_out, user.disabled and user.deleted all that the person had at that time.
 */
export interface Events {
  /** Answers the webhook_uri. The body must not have been read before. */
  receive(request: Request): Promise<Response>
  /** Asks the provider for what nobody has acknowledged, handles it and acknowledges it, over and over until the signal aborts. */
  pull(signal: AbortSignal): Promise<void>
  /** Asks once and resolves to how many events were handled. If some could not be, it acknowledges the others and rejects; they are there the next time. */
  pullOnce(): Promise<number>
}

type Next = (error?: unknown) => void
type Middleware = (req: IncomingMessage & { user?: User | null }, res: ServerResponse, next: Next) => Promise<unknown>

export interface Kit {
  /** Whether a path is one of the kit's own. */
  owns(pathname: string): boolean
  /** Answers the kit's own addresses; undefined for any other. */
  handle(request: Request): Promise<Response | undefined>
  /** The person who is logged in, or null. Rejects if the store does not answer. */
  user(request: Request): Promise<User | null>
  /** Stands before a fetch-style handler that only people who are logged in may reach. */
  protect<Rest extends unknown[]>(handler: (request: Request, user: User, ...rest: Rest) => Response | Promise<Response>): (request: Request, ...rest: Rest) => Promise<Response>
  /** A guard with the kit's client, store and knowledge of logouts. */
  bearer(config?: BearerConfig): Bearer
  /** A receiver with the kit's client and store. Throws a TypeError that names the secret that is wrong. */
  events(config?: EventsConfig): Events
  /** Middleware for Express, Connect and Node's own server. handle must come before body parsers and CSRF protection. */
  express: {
    handle: Middleware
    identify: Middleware
    protect: Middleware
    /** The middleware of a guard. */
    bearer(bearer: Bearer): Middleware
    /** The handler of a webhook_uri; before body parsers and CSRF protection. */
    events(events: Events): Middleware
  }
}

/** Makes a kit. It talks to nobody: the provider may start later. Throws a TypeError that names the field that is missing or wrong. */
export function createKit(config: Config): Kit
