package waldursim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// float is a number that always has a decimal point, as Python writes it.
type float float64

func (f float) MarshalJSON() ([]byte, error) {
	v := float64(f)
	if v != 0 && (v >= 1e16 || v < 1e-4) {
		return []byte(strconv.FormatFloat(v, 'e', -1, 64)), nil
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return []byte(s), nil
}

type mountPoint struct {
	Default string `json:"default"`
}

type permission struct {
	Value string `json:"value"`
	Type  string `json:"permissionType"`
}

// named is a storage system, a file system or a data type.
type named struct {
	ItemID string `json:"itemId"`
	Key    string `json:"key"`
	Name   string `json:"name"`
	Active bool   `json:"active"`
	Path   string `json:"path"`
}

type quota struct {
	Type        string `json:"type"`
	Quota       float  `json:"quota"`
	Unit        string `json:"unit"`
	Enforcement string `json:"enforcementType"`
}

type target struct {
	Type string `json:"targetType"`
	Item any    `json:"targetItem"`
}

// item is one entry of the listing. Its keys are in the proxy's order.
type item struct {
	ItemID        string     `json:"itemId"`
	Status        string     `json:"status"`
	Mount         mountPoint `json:"mountPoint"`
	Permission    permission `json:"permission"`
	System        named      `json:"storageSystem"`
	FileSystem    named      `json:"storageFileSystem"`
	DataType      named      `json:"storageDataType"`
	Target        target     `json:"target"`
	Quotas        []quota    `json:"quotas"`
	OldQuotas     []quota    `json:"oldQuotas"`
	NewQuotas     []quota    `json:"newQuotas"`
	Parent        *string    `json:"parentItemId"`
	RejectURL     string     `json:"reject_by_provider_url,omitempty"`
	ErredURL      string     `json:"set_state_erred_url,omitempty"`
	DoneURL       string     `json:"set_state_done_url,omitempty"`
	ApproveURL    string     `json:"approve_by_provider_url,omitempty"`
	BackendIDURL  string     `json:"set_backend_id_url,omitempty"`
	OptionsURL    string     `json:"update_resource_options_url,omitempty"`
	ResourceOKURL string     `json:"set_state_ok_url,omitempty"`
}

type nodeTarget struct {
	ItemID string `json:"itemId"`
	Key    string `json:"key"`
	Name   string `json:"name"`
}

type projectTarget struct {
	ItemID  string  `json:"itemId"`
	Key     *string `json:"key"`
	Name    *string `json:"name"`
	Status  *string `json:"status"`
	UnixGID *int64  `json:"unixGid"`
	Active  *bool   `json:"active"`
}

type primaryProject struct {
	Name    string `json:"name"`
	UnixGID int64  `json:"unixGid"`
	Active  bool   `json:"active"`
}

type userTarget struct {
	ItemID  string         `json:"itemId"`
	Key     *string        `json:"key"`
	Name    *string        `json:"name"`
	Status  string         `json:"status"`
	Email   string         `json:"email"`
	UnixUID int64          `json:"unixUid"`
	Primary primaryProject `json:"primaryProject"`
	Active  bool           `json:"active"`
}

// encode encodes v as JSON without escaping characters for HTML.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("render %T: %w", v, err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}
