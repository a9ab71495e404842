## Logging in.
login-title = Log in
login-email = E-mail address
login-password = Password
login-submit = Log in
login-forgotten = I have no password, or forgot it
login-wrong = The e-mail address or the password is wrong.
login-said-failed = That was the last try. Please log in again.
login-said-ended = The login took too long or is over. Please log in again.
login-said-password = Your password is set. You can log in with it now.
login-said-out = You are logged out.
login-limit-title = Too many tries
login-limit-text = { $minutes ->
    [one] Please try again in one minute.
   *[other] Please try again in { $minutes } minutes.
}
text-limit-title = Too many codes
text-limit-text = { $minutes ->
    [one] We sent several codes already. You can ask for another one in one minute.
   *[other] We sent several codes already. You can ask for another one in { $minutes } minutes.
}
text-day-title = No more texts today
text-day-text = { $minutes ->
    [one] Your organisation has used up its texts of today. There will be new ones in one minute.
   *[other] Your organisation has used up its texts of today. There will be new ones in { $minutes } minutes. An operator can raise the limit.
}

## The phone.
phone-title = Your mobile phone
phone-why = From now on you log in with your password and a code that we send to your mobile phone. We use the number for nothing else. Texts can be intercepted or come to a number that somebody took over: never pass a code on, and use an authenticator app where your organisation allows it.
phone-label = Mobile number
phone-hint = With the country's number, such as +49 1512 3456789.
phone-submit = Send me a code
phone-malformed = This is not a phone number. Please enter it with the country's number, such as +49.
phone-not-mobile = This is not a mobile number. Codes can only be sent to mobile phones.
phone-country = We send no codes to numbers of this country. An operator can allow it for your organisation.

## The code.
code-title = Enter the code
code-sent = We sent a code to your phone that ends in { $ends }. It is valid for five minutes.
code-app = Your authenticator app shows a code.
code-label = Code of six digits
code-submit = Log in
code-again = Send me a new code
code-text-instead = Send me a text instead
code-other-phone = That is not my number
code-recovery = I do not have my phone
code-malformed = The code has six digits.
code-wrong = That is not the code.
code-wrong-over = That is not the code, and the right one is no longer valid. You can have a new one sent.
code-wrong-left = { $minutes ->
    [one] That is not the code. The right one is valid for less than a minute.
   *[other] That is not the code. The right one is valid for less than { $minutes } minutes.
}
code-expired = This code is no longer valid. You can have a new one sent.
code-text = { $code } is your code for Broadcast. It is valid for five minutes. Nobody of ours ever asks you for it.

## Recovery codes.
recovery-title = Enter a recovery code
recovery-why = You wrote down recovery codes when you made them. Each is good for one login.
recovery-label = Recovery code
recovery-back = Back to the code of the phone

## Choosing a password.
forgotten-title = Choose a password
forgotten-why = We send you a mail with a link by which you choose a password.
forgotten-submit = Send me the link
link-mailed-title = Look into your mailbox
link-mailed-text = If there is an account with this address, a mail with a link is on its way. The link is valid for one hour.
link-limit-title = Too many links
link-limit-text = { $minutes ->
    [one] Please try again in one minute.
   *[other] Please try again in { $minutes } minutes.
}
link-over-title = This link is over
link-over-text = It was used already, or its time is up. You can have a new one sent from the page for logging in.
choose-title = Choose a password
choose-label = New password
choose-hint = At least 12 characters. Long is better than complicated.
choose-submit = Set the password
choose-length = The password must have 12 to 256 characters.
choose-easy = This password is easy to guess: it is common, or made of what one can know of you. Please choose another one.

## One's own account.
account-title = Your account
account-role = Role
account-tenant = Organisation
role-operator = Operator
role-admin = Administrator
role-manager = Campaign manager
role-viewer = Viewer
settings-title = How you read
settings-language = Language
settings-zone = Time zone
settings-submit = Save
language-name = English
change-title = Another password
change-current = Current password
change-hint = You are logged out everywhere else.
change-wrong = The current password is wrong. Nothing was changed.
sessions-title = Where you are logged in
sessions-browser = Browser
sessions-source = Address
sessions-begun = Since
sessions-seen = Last used
sessions-this = This browser
sessions-end = Log out
sessions-all-others = All others
sessions-end-one = Log out: { $browser }

## The second factor.
factors-title = Your phone and what takes its place
factors-phone = Codes go to your phone that ends in { $ends }.
factors-no-phone = You have registered no phone.
factors-new-phone = New mobile number
phone-change = Use this phone
app-title = Authenticator app
app-instead = In the place of texts: safer, and without a network.
app-how = Photograph the picture with your authenticator app, then enter the code that the app shows.
app-picture = A picture with the secret of your account, for your authenticator app
app-secret = Or enter this secret:
app-submit = Set up
app-is-there = Your authenticator app is set up. Its codes are good for logins.
app-end = Remove the app
recovery-make-title = Recovery codes
recovery-left = { $count ->
    [0] You have none. With one you log in when you do not have your phone.
    [one] You have one left.
   *[other] You have { $count } left.
}
recovery-make = Make new ones
recovery-phone-first = Register a phone first.
recovery-new-title = Your recovery codes
recovery-new-how = Write them down: they are shown this once. Each is good for one login. Older ones are no longer valid.

## People.
users-title = People
users-email = E-mail address
users-role = Role
users-state = State
users-phone = Phone
users-login = Last login
users-do = Change
users-is-disabled = Disabled
users-is-locked = Locked for a while
users-is-invited = Invited
users-is-active = Active
users-phone-ends = ends in { $ends }
users-self = That is you
users-role-of = Role of { $email }
users-enable = Enable
users-disable = Disable
users-unlock = Unlock
users-end-sessions = End sessions
users-reset-phone = Reset phone
users-invite = Invite somebody
users-malformed = Please enter an e-mail address without letters beyond ASCII, and choose a role.
users-taken = This address cannot be invited: it belongs to an account already.
users-not-yourself = You cannot change your own rights. Somebody else has to do that.
