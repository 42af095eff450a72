package browser

import (
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
)

// framesWait is how long the page of a front-channel logout waits for the applications' pages. The script has the same number.
const framesWait = 2 * time.Second

// goOn leaves the page when all frames have loaded, or did not within two seconds. The window's load event waits for every frame, also for
// one that fails. Without scripts a meta refresh does it, and there is a link in any case.
const goOn = `(function () {
  var gone = false;
  function go() {
    if (!gone) {
      gone = true;
      window.location.replace(document.getElementById("continue").href);
    }
  }
  window.addEventListener("load", go, false);
  window.setTimeout(go, 2000);
})();`

// FrontchannelPage is the data of "frontchannel". Use Renderer.Frontchannel, which also sets the script and the policy.
type FrontchannelPage struct {
	Frames  []Frame
	Next    string // where the browser goes afterwards: a validated redirect URI or a path of ours
	Seconds int    // when, if scripts are off
	Ended   bool   // the session of this browser
}

// Frame is an application's page that is embedded so that it logs the person out there.
type Frame struct {
	Name string // of the application
	URI  string
}

// Frontchannel answers a logout with the page that embeds the applications' pages (OpenID Connect Front-Channel Logout 1.0, 3) and then goes
// on to next, a validated redirect URI or a path of ours. The policy admits frames of exactly these origins. ended says that it was the session
// of this browser that ended.
func (r *Renderer) Frontchannel(c echo.Context, frames []Frame, next string, ended bool) error {
	page := Page{
		Script: goOn, Data: FrontchannelPage{Frames: frames, Next: next, Seconds: int(framesWait / time.Second), Ended: ended},
	}
	for _, frame := range frames {
		if origin := Origin(frame.URI); origin != "" && !slices.Contains(page.FrameSources, origin) {
			page.FrameSources = append(page.FrameSources, origin)
		}
	}
	return r.Render(c, http.StatusOK, "frontchannel", page)
}
