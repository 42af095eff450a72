package identity

import "strings"

// knownBrowsers and knownSystems are looked for in this order: most browsers claim to be others, too.
var (
	knownBrowsers = []struct{ token, name string }{
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"EdgiOS/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Vivaldi/", "Vivaldi"},
		{"FxiOS/", "Firefox"},
		{"Firefox/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"HeadlessChrome/", "Chrome"},
		{"Safari/", "Safari"},
	}
	knownSystems = []struct{ token, name string }{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"CrOS", "ChromeOS"},
		{"Windows", "Windows"},
		{"Macintosh", "Mac"},
		{"Mac OS X", "Mac"},
		{"FreeBSD", "FreeBSD"},
		{"Linux", "Linux"},
	}
)

// maxDeviceName bounds the name of a program that nobody knows, in bytes.
const maxDeviceName = 40

// Agent reads the names of a program and a system out of a User-Agent header (RFC 9110, 10.1.5): "Firefox" and "Linux". Either is empty when nobody
// can tell. A program that it does not know keeps the name of its first product. Anybody can send any header: the names are for people to read.
func Agent(userAgent string) (program, system string) {
	for _, b := range knownBrowsers {
		if strings.Contains(userAgent, b.token) {
			program = b.name
			break
		}
	}
	for _, s := range knownSystems {
		if strings.Contains(userAgent, s.token) {
			system = s.name
			break
		}
	}
	if program == "" {
		product, _, _ := strings.Cut(strings.TrimSpace(userAgent), "/")
		if product, _, _ = strings.Cut(product, " "); product != "Mozilla" {
			program = plainName(product)
		}
	}
	return program, system
}

// DeviceName makes human words of a User-Agent header, such as "Firefox on Linux"; of nothing at all "Unknown device".
func DeviceName(userAgent string) string {
	switch program, system := Agent(userAgent); {
	case program != "" && system != "":
		return program + " on " + system
	case program+system != "":
		return program + system
	default:
		return "Unknown device"
	}
}

// plainName keeps a product's name if it is one (RFC 9110, 5.6.2) and short.
func plainName(product string) string {
	for _, r := range product {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return ""
		}
	}
	if len(product) > maxDeviceName {
		return ""
	}
	return product
}
