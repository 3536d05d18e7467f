package waldur

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// leaks reports whether a text contains a useful part of a secret.
func leaks(text, secret string) bool {
	for i := 0; i+8 <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+8]) {
			return true
		}
	}
	return false
}

// TestSecretsInAnswers: whatever an answer does with our token, or with what the configuration
// hides in a URL, no error and no detail shows any part of it.
func TestSecretsInAnswers(t *testing.T) {
	const path, pad = "k3y-0f-th3-p4th", 290
	escaped := fmt.Sprintf(`\u%04x%s`, testToken[0], testToken[1:])
	page := func(item string) string {
		return `{"status":"success","resources":[` + item +
			`],"pagination":{"current":1,"limit":500,"total":1}}`
	}
	answers := map[string]func(w http.ResponseWriter){
		"location": func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://other/"+path+"/"+testToken+"/?"+testToken)
			w.WriteHeader(302)
		},
		"location in a host": func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://"+testToken+".example.com/")
			w.WriteHeader(307)
		},
	}
	for name, body := range map[string]string{
		"detail": `{"detail":"` + testToken + ` ` + path + `"}`, "escaped": `{"detail":"` + escaped +
			`"}`, "list": `["` + testToken + `","` + path + `"]`,
		"at the cut": strings.Repeat("x", pad) + testToken + path, "at the other cut": `{"detail":"` +
			strings.Repeat("y", pad) + testToken + `"}`,
		"malformed": `{"detail":"` + testToken, "status": strings.Replace(page(""), "success", testToken,
			1),
		"escaped status": strings.Replace(page(""), "success", escaped,
			1), "item": page(with(t, `"2770"`, `"`+testToken+`"`)),
		"escaped item": page(with(t, `"status":"active","mount`, `"status":"`+escaped+`","mount`)), "member": `{"` + testToken + `":1,"` + testToken + `":2}`,
		"order": strings.Replace(orderText(`{}`), `"Update"`, `"`+testToken+`"`, 1), "words": testToken +
			" " + path, "HTML": "<p>" + testToken,
		"FastAPI": `{"detail":[{"loc":["` + testToken + `"],"msg":"` + path + `"}]}`,
	} {
		for _, status := range []int{200, 400, 401, 404, 409, 500} {
			answers[fmt.Sprint(name, " ", status)] = func(w http.ResponseWriter) { w.WriteHeader(status); fmt.Fprint(w, body) }
		}
	}
	for name, answer := range answers {
		r := newRig(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
		url := r.server.URL + "/" + path + "/"
		h := planner.Hidden{}.With(path)
		source, err := NewProxy(ProxyOptions{URL: url, Token: Static(testToken), TokenFrom: "proxy.token", Timeout: time.Minute,
			Transport: web.NewTransport(nil, nil), Clock: r.clock.clock(), Hidden: h})
		if err != nil {
			t.Fatal(err)
		}
		o := NewOrders(OrdersOptions{URL: url, Token: Static(testToken), Timeout: time.Minute,
			Transport: web.NewTransport(nil, nil), Now: time.Now, Hidden: h})
		order := url + "marketplace-orders/" + orderID + "/"
		items, listing := source.List(context.Background(), nil)
		_, got := o.Get(context.Background(), order)
		_, resource := o.Resource(context.Background(),
			url+"marketplace-provider-resources/"+resourceID+"/")
		sent := o.Send(context.Background(),
			apply.Call{Callback: planner.SetStateDone, About: about, URL: order + "set_state_done/"})
		other := o.Send(context.Background(),
			apply.Call{Callback: planner.SetStateDone, About: about, URL: order + "cancel/"})
		if listing == nil || got == nil || resource == nil || len(items) > 0 {
			t.Errorf("%s: %v; %v; %v; %v", name, listing, got, resource, items)
		}
		for _, text := range []string{source.Name(), fmt.Sprint(listing), fmt.Sprint(got),
			fmt.Sprint(resource), sent.Detail, fmt.Sprint(sent.Err), fmt.Sprint(other.Err)} {
			if leaks(text, testToken) || leaks(text, path) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}
