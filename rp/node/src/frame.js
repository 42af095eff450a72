// The relying party's frame of Session Management 1.0, 3.1.
import { readFileSync } from 'node:fs'

export const SESSION_JS = readFileSync(new URL('./session.browser.js', import.meta.url))

export const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)

/** The errors of prompt=none that say that this person is not, or no longer without further ado, logged in at the provider (Core 1.0, 3.1.2.6). */
export const LOGGED_OUT = new Set(['login_required', 'interaction_required', 'account_selection_required', 'consent_required'])

/**
 * The page in the frame: ended makes the page around it load itself anew; with client, state, login and frame it asks the provider's own frame
 * there; without them it does nothing.
 */
export function framePage(prefix, { ended = false, client = '', state = '', login = '', frame = '' } = {}, headers) {
  const origin = frame && new URL(frame).origin
  const all = new Headers(headers)
  all.set('cache-control', 'no-store')
  all.set('content-type', 'text/html; charset=utf-8')
  all.set('content-security-policy', `default-src 'none'; base-uri 'none'; script-src 'self'; frame-ancestors 'self'; frame-src ${origin || "'none'"}`)
  return new Response(`<!doctype html>
<html${ended ? ' data-ended="true"' : ''} data-client="${escape(client)}" data-state="${escape(state)}" data-origin="${escape(origin)}" data-login="${escape(login)}">
<meta charset="utf-8">
<title>Session</title>
${frame && `<iframe id="provider" src="${escape(frame)}" hidden></iframe>`}
<script src="${escape(prefix)}/session.js"></script>
</html>
`, { headers: all })
}
