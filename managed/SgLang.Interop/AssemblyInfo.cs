using System.Runtime.CompilerServices;

// Every type that crosses is blittable, so no call needs a marshalling stub.
[assembly: DisableRuntimeMarshalling]
