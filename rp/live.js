// <script src="/auth/live.js" data-to="/" defer></script> on a page of somebody
// who is logged in: when the session ends, wherever that happens, the tab goes
// to data-to, "/" by default.
(function () {
  'use strict'
  var script = document.currentScript
  var to = script.getAttribute('data-to') || '/'
  var wasOpen = false
  var left = false
  function leave() {
    if (left) return
    left = true
    source.close()
    window.dispatchEvent(new Event('rp:ended'))
    location.replace(to)
  }
  var source = new EventSource(script.src.replace(/live\.js(\?.*)?$/, 'live'))
  source.addEventListener('open', function () { wasOpen = true })
  source.addEventListener('ended', leave)
  source.addEventListener('error', function () {
    // Closed for good: there was a session, and there is none any more.
    if (wasOpen && source.readyState === EventSource.CLOSED) leave()
  })
  // A page out of the back-forward cache may be older than the logout.
  window.addEventListener('pageshow', function (event) { if (event.persisted) location.reload() })
})()
