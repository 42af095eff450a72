package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe returns the source of axe-core, which examines the accessibility of a page, as the lock file says. Where npm or the registry cannot be
// had the test is skipped loudly, or fails if EXEUNT_TEST_REQUIRE is set, as it is in CI.
func axe(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join("testdata", "axe", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = dir
	if output, err := install.CombinedOutput(); err != nil {
		if os.Getenv("EXEUNT_TEST_REQUIRE") != "" {
			t.Fatalf("npm ci: %v: %s", err, output)
		}
		t.Skipf("************ ACCESSIBILITY IS NOT TESTED: npm ci: %v ************", err)
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// accessible wants axe to find nothing on the page, in light and in dark colours, and the page to fit into a window as narrow as 320 pixels:
// that is 400 % zoom of 1280 (WCAG 2.2, 1.4.10).
func accessible(t *testing.T, window context.Context, axe, page string) {
	t.Helper()
	if _, err := chromedp.Run(window, chromedp.Evaluate[bool](axe+"; true")); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"dark", "light"} {
		colours(t, window, scheme)
		found, err := chromedp.Run(window, chromedp.Evaluate[string](`axe.run().then(function (r) {
			return JSON.stringify(r.violations.map(function (v) { return {id: v.id, impact: v.impact, nodes: v.nodes.map(function (n) { return n.failureSummary + " " + n.html; })}; }));
		})`, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		var violations []struct {
			ID, Impact string
			Nodes      []string
		}
		if err := json.Unmarshal([]byte(found), &violations); err != nil {
			t.Fatal(err)
		}
		for _, v := range violations {
			t.Errorf("%s, %s: %s (%s): %q", page, scheme, v.ID, v.Impact, v.Nodes)
		}
	}
	for _, width := range []int64{320, 640} {
		do(t, window, "a narrow window", chromedp.EmulateViewport(width, 800, chromedp.EmulateScale(2)))
		if beyond, err := chromedp.Run(window, chromedp.Evaluate[int]("document.documentElement.scrollWidth - document.documentElement.clientWidth")); err != nil || beyond > 0 {
			t.Errorf("%s: %d pixels do not fit into %d (%v)", page, beyond, width, err)
		}
	}
	do(t, window, "a window as before", chromedp.EmulateViewport(1280, 800))
}

func colours(t *testing.T, window context.Context, scheme string) {
	t.Helper()
	do(t, window, scheme+" colours", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}
