package browser

import "strings"

// agents are tried in turn: those that imitate others come before them.
var agents = []struct{ sign, name string }{
	{"Edg/", "Edge"},
	{"EdgA/", "Edge"},
	{"EdgiOS/", "Edge"},
	{"OPR/", "Opera"},
	{"OPiOS/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"Vivaldi/", "Vivaldi"},
	{"YaBrowser/", "Yandex Browser"},
	{"DuckDuckGo/", "DuckDuckGo"},
	{"Firefox/", "Firefox"},
	{"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"},
	{"HeadlessChrome/", "Chrome"},
	{"Chromium/", "Chromium"},
	{"Chrome/", "Chrome"},
	{"Version/", "Safari"}, // beside "Safari/", which nearly all have
	{"MSIE ", "Internet Explorer"},
	{"Trident/", "Internet Explorer"},
}

var systems = []struct{ sign, name string }{
	{"iPhone", "iPhone"},
	{"iPad", "iPad"},
	{"Android", "Android"},
	{"CrOS", "ChromeOS"},
	{"Windows", "Windows"},
	{"Macintosh", "Mac"},
	{"Mac OS X", "Mac"},
	{"Linux", "Linux"},
	{"X11", "Linux"},
}

// Agent names the browser and the system of a User-Agent (RFC 9110, 10.1.5) as people know them: "Chrome" and "Linux". Either is empty if
// it is not one of the usual. It is a help to the person who reads it, and nothing to decide by: anybody can send any.
func Agent(userAgent string) (name, system string) {
	for _, s := range systems {
		if strings.Contains(userAgent, s.sign) {
			system = s.name
			break
		}
	}
	for _, a := range agents {
		if strings.Contains(userAgent, a.sign) && (a.name != "Safari" || strings.Contains(userAgent, "Safari/")) {
			return a.name, system
		}
	}
	return "", system
}
