## Tenants.
tenant = Tenant
tenant-name = Name
tenant-people = People
tenant-second-factor = Second factor
tenant-swept = Last swept
tenant-exported = Last export
tenant-active = Active
tenant-suspended = Suspended
tenant-deleting = Being deleted
tenant-ending = Being deleted
on = on
off = off

## Queues.
queue = Queue
queue-waiting = Waiting
queue-in-work = In work
queue-dead = Dead letters
queue-well = Well
queue-has-dead = Has dead letters
letters = Dead letters
letter-what = What it is about
letter-sent = Put on the queue
letters-none-title = No dead letters
letters-none-text = A message that fails again and again ends here, and waits for somebody to look why.
letters-some = SQS shows some of them at each look, ten at most.
redrive = Send them back
redrive-title = Send all dead letters back to their queue?
redrive-text = Each is tried again as if it had just come. Find out first why they failed (the function's log says it), and have that mended: what fails again comes back here.

## Lifecycles.
drift-text = S3 deletes by its own rules what functions did not. Somebody changed the rules of these buckets; sweep found that and put them right.
drift-at = Found and mended
drift-bucket = Bucket
drift-of-all = of all tenants
drift-none-title = Nothing has drifted
drift-none-text = The rules of all buckets are what the settings ask for. Sweep looks every five minutes.

## Errors of functions.
errors-text = What functions logged as errors in the last 24 hours, the newest first. Each message that failed for good is a dead letter as well. Logs name tenants and campaigns by number, and nobody by address.
errors-function = Function
errors-at = When
errors-what = What happened
errors-ids = About
errors-none-title = No errors
errors-none-text = No function has logged an error in the last 24 hours.
errors-more = There are more: CloudWatch has all of them.
