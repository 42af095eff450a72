// Types of exeunt.js. docs/sdk.md is the guide.

export type Status = "live" | "ended" | "unknown";

/** A value, or a function that returns it or a promise of it, called each time it is needed. */
export type Source = string | null | undefined | (() => string | null | undefined | Promise<string | null | undefined>);

export interface Options {
  /** The provider's issuer, such as "https://id.example.com". */
  issuer: string;
  /** The application's client_id. */
  clientId: string;
  /** The ID token that this page's user was signed in with; null while nobody is. */
  idToken?: Source;
  /** An access token of the user, for attach(), devices() and detach(). */
  accessToken?: Source;
  /** Where the page goes when its session has ended, unless a listener of `logout` prevents it. */
  logoutUrl?: string;
  /** A registered redirect URI to which the provider sends the browser back after a logout by redirect. */
  redirectUri?: string;
  /** Comes back with redirectUri. */
  state?: string;
  /** false: the page does not connect. Then it knows only what status() and other tabs say. */
  realtime?: boolean;
  /** Which ways are tried, in this order. Default: ["websocket", "sse", "polling"]. */
  transports?: Array<"websocket" | "sse" | "polling">;
  /** Milliseconds between two questions where nothing but polling gets through. Default: 30000. */
  pollInterval?: number;
}

export interface LogoutEvent {
  /** Why, in the words of the provider's causes: "sdk", "redirect", "admin", "device_detached", ...; "" when the page may not know. */
  reason: string;
  /** Who asked: this page, another tab of the application in this browser, or somebody elsewhere. */
  by: "page" | "tab" | "provider";
  /** Where the page goes after the events; null: nowhere. */
  logoutUrl: string | null;
  /** Keeps the page where it is. */
  preventDefault(): void;
}

export interface StatusChangeEvent {
  status: Status;
  previous: Status;
}

export interface SessionChangeEvent {
  /** null: it has ended. authTime, Unix seconds: its person has logged in again. */
  session: { sid: string | null; authTime: number } | null;
  previous: { sid: string | null };
}

export interface Events {
  logout: LogoutEvent;
  statusChange: StatusChangeEvent;
  sessionChange: SessionChangeEvent;
  /** The page cannot watch its session, and trying again would not help. */
  error: ExeuntError;
}

export interface LogoutResult {
  /** This call has ended the session. false beside redirecting: false means that it had ended before. */
  ended: boolean;
  /** The page is about to leave for the provider, which logs out there. */
  redirecting: boolean;
  /** Messages to the applications of the session, as far as the call waited for them; null when nothing ended here. */
  receipts: { total: number; delivered: number; open: number } | null;
}

export interface Device {
  /** An id of the application's own for this device. */
  device_id?: string;
  /** At most 4 KiB as JSON; only this application ever sees it again. */
  metadata?: Record<string, unknown>;
  /** Where the page goes when its session has ended: an address on the origin of one of the client's redirect URIs, or a path on the page's own. */
  redirect_urls?: { logout_url?: string };
}

/** A device as this application sees it. */
export interface AttachedDevice {
  id: string;
  /** What the application itself calls it. */
  device_id?: string;
  /** Such as "Firefox on Linux". */
  name: string;
  place?: string;
  /** The session of the access token is on it. */
  current: boolean;
  signed_in: boolean;
  attached_at: string;
  seen_at: string;
  /** What this application has attached; {} when that is nothing. */
  metadata: Record<string, unknown>;
  redirect_urls?: { logout_url?: string };
}

export interface Session {
  readonly state: Status;
  on<E extends keyof Events>(type: E, listener: (event: Events[E]) => void): () => void;
  status(): Promise<Status>;
  logout(): Promise<LogoutResult>;
  attach(device?: Device): Promise<AttachedDevice>;
  devices(): Promise<AttachedDevice[]>;
  detach(id: string): Promise<void>;
  close(): void;
}

export class ExeuntError extends Error {
  readonly code: "invalid_options" | "refused" | "unavailable";
  /** HTTP status of the provider's answer; 0 without one. */
  readonly status: number;
}

export function init(options: Options): Session;

declare global {
  interface Window {
    /** With exeunt.classic.js. */
    Exeunt: { init: typeof init; ExeuntError: typeof ExeuntError };
  }
}
