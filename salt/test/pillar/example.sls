# The pillar of one FreeSWITCH host in London.
fsx:
  version: '0.1.0'
  policies_source: salt://policies
  config:
    site:
      data_centre: LON1
      home_country: GB
    feed:
      database: LCR_RO
      interval_s: 60
    databases:
      LCR_RO:
        url: mysql://lcr_ro:secret@core-sql-ro/LCR
        read_only: true
    decide:
      allow_users: [freeswitch]
    cdr:
      deliver_url: http://rmcdrgateway/cdr
  freeswitch:
    settings:
      data-centre: LON1
      home-country: GB
      policy: always
    emergency:
      - name: dial-string
        country: GB
        value: sofia/gateway/emergency/${number}
  opensips:
    modparams:
      data_centre: LON1
      home_country: GB
      org_var: $avp(org)
      gateway:
        - 1001=sip:192.0.2.10:5060
        - 1002=sip:192.0.2.11:5060
