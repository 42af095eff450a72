// The relying party's frame of Session Management 1.0, section 3.1.
(function () {
  'use strict'
  var data = document.documentElement.dataset
  if (data.ended) {
    window.parent.location.reload() // the page finds out by itself that nobody is logged in
    return
  }
  var provider = document.getElementById('provider')
  if (!provider) return
  var timer = null
  window.addEventListener('message', function (event) {
    if (event.origin !== data.origin || event.source !== provider.contentWindow) return
    // "error" must not lead to a request, or a browser that blocks the
    // provider's cookies would never come to rest.
    if (event.data !== 'unchanged') clearInterval(timer)
    if (event.data === 'changed') location.replace(data.login)
  })
  function ask() { provider.contentWindow.postMessage(data.client + ' ' + data.state, data.origin) }
  provider.addEventListener('load', function () {
    ask()
    clearInterval(timer)
    timer = setInterval(ask, 5000)
  })
})()
