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
  /** Middleware for Express, Connect and Node's own server. handle must come before body parsers and CSRF protection. */
  express: { handle: Middleware; identify: Middleware; protect: Middleware }
}

/** Makes a kit. It talks to nobody: the provider may start later. Throws a TypeError that names the field that is missing or wrong. */
export function createKit(config: Config): Kit
