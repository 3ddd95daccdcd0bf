/*
 * Known answers, from NIST's drbgtestvectors.zip, out of CTR_DRBG.rsp in each
 * of its three directories (no_reseed, pr_false, pr_true), [AES-256 use df]:
 * the first answer of each combination of inputs.  Those without a
 * personalization string and additional input are in drbg.c.
 */
#ifndef VECTORS_H
#define VECTORS_H

#include "entropy/drbg/drbg.h"

/* Hexadecimal; NULL: none. */
struct vector {
	struct drbg_vector plain;
	const char *personal;
	const char *more_reseed; /* additional input of the reseed, */
	const char *more[2];	 /* and of each output */
};

static const struct vector vectors[] = {
	{
	    .plain.name = "no_reseed, additional input",
	    .plain.seed =
		"8148d65d86513ce7d38923ec2f26b9e7c677dcc8997e325b7372619e753ed944"
		"41c71a24d17d974190982bb7515ce7f5",
	    .more[0] =
		"55b446046c2d14bdd0cdba4b71873fd4762650695a11507949462da8d964ab6a",
	    .more[1] =
		"91468f1a097d99ee339462ca916cb4a10f63d53850a4f17f598eac490299b02e",
	    .plain.answer =
		"54603d1a506132bbfa05b153a04f22a1d516cc46323cef15111af221f030f38d"
		"6841d4670518b4914a4631af682e7421dffaac986a38e94d92bfa758e2eb101f",
	},
	{
	    .plain.name = "no_reseed, personalized",
	    .plain.seed =
		"5416e77b5e1d872d4ff91973b1be66bc07f4a99e30db7d0006da006fcfb082db"
		"7a811ce62b9fd34af186b2b3e50eaf5d",
	    .personal =
		"71ee0c7699ac0e805632f2058de38bf872b8340f89998f7a8a2ad4ac045ae6ef",
	    .plain.answer =
		"68f5859cf76f94c445d9fcd34fc17ac224c3d7d7c2fc38faaf3c24be6cd3cd93"
		"b7f9d8a6146f5ac83ac1d7b1b2b7e7ecbc1a2e38760ef86a577d402d85990d9b",
	},
	{
	    .plain.name = "no_reseed, personalized, additional input",
	    .plain.seed =
		"87b56e964eba227154724bb9484b812d3e2c0c43b3d17f6098d9526e16e6d0ef"
		"9bea6a7ff2358df142e6c23e2157fb83",
	    .personal =
		"9860b432edd58d1ccbfeecbce99ffaee7d935a614860d4e965bd67041403096b",
	    .more[0] =
		"99a5cc87924e8ea65a596f81fd17d63f5b4542fe6e8e1511b5d35c835dfadb0b",
	    .more[1] =
		"9a8dec54734a34582a2332f3452e82313524c3e0dfb485faeac6ca5fc0ff504d",
	    .plain.answer =
		"dbc6a2330b19b5cddd8cd6392ec1fb508678c805e87d1aca07ac265007632503"
		"044a00610c79d98375afa7ab4cca1a90989cbfe7c674af5d823ced11c47e9af6",
	},
	{
	    .plain.name = "pr_false, additional input",
	    .plain.seed =
		"6f60f0f9d486bc23e1223b934e61c0c78ae9232fa2e9a87c6dacd447c3f10e9e"
		"401e3f87762fa8a14ab232ccb8480a2f",
	    .plain.reseed =
		"350be52552a65a804a106543ebb7dd046cffae104e4e8b2f18936d564d3c1950",
	    .more_reseed =
		"7a3688adb1cfb6c03264e2762ece96bfe4daf9558fabf74d7fff203c08b4dd9f",
	    .more[0] =
		"67cf4a56d081c53670f257c25557014cd5e8b0e919aa58f23d6861b10b00ea80",
	    .more[1] =
		"648d4a229198b43f33dd7dd8426650be11c5656adcdf913bb3ee5eb49a2a3892",
	    .plain.answer =
		"2d819fb9fee38bfc3f15a07ef0e183ff36db5d3184cea1d24e796ba103687415"
		"abe6d9f2c59a11931439a3d14f45fc3f4345f331a0675a3477eaf7cd89107e37",
	},
	{
	    .plain.name = "pr_false, personalized",
	    .plain.seed =
		"5bb14bec3a2e435acab8b891f075107df387902cb2cd996021b1a1245d4ea2b5"
		"12ac7f444e247f770d2f4d0a65fdab4e",
	    .personal =
		"2e957d53cba5a6b9b8a2ce4369bb885c0931788015b9fe5ac3c01a7ec5eacd70",
	    .plain.reseed =
		"19f30c84f6dbf1caf68cbec3d4bb90e5e8f5716eae8c1bbadaba99a2a2bd4eb2",
	    .plain.answer =
		"b7dd8ac2c5eaa97c779fe46cc793b9b1e7b940c318d3b531744b42856f298264"
		"e45f9a0aca5da93e7f34f0ebc0ed0ea32c009e3e03cf01320c9a839807575405",
	},
	{
	    .plain.name = "pr_false, personalized, additional input",
	    .plain.seed =
		"174b46250051a9e3d80c56ae7163dafe7e54481a56cafd3b8625f99bbb29c442"
		"98ffd99c466e0e94a45da7e0e82dbc6b",
	    .personal =
		"7095268e99938b3e042734b9176c9aa051f00a5f8d2a89ada214b89beef18ebf",
	    .plain.reseed =
		"e88be1967c5503f65d23867bbc891bd679db03b4878663f6c877592df25f0d9a",
	    .more_reseed =
		"cdf6ad549e45b6aa5cd67d024931c33cd133d52d5ae500c3015020beb30da063",
	    .more[0] =
		"c7228e90c62f896a09e11684530102f926ec90a3255f6c21b857883c75800143",
	    .more[1] =
		"76a94f224178fe4cbf9e2b8acc53c9dc3e50bb613aac8936601453cda3293b17",
	    .plain.answer =
		"1a6d8dbd642076d13916e5e23038b60b26061f13dd4e006277e0268698ffb2c8"
		"7e453bae1251631ac90c701a9849d933995e8b0221fe9aca1985c546c2079027",
	},
	{
	    .plain.name = "pr_true, additional input",
	    .plain.seed =
		"a31337e0cbf2ee3e8d1d39324c978e714b5acc678920d5839fe95477ca3b8741"
		"a7f8b770a506acfc79b2c431660d310f",
	    .plain.resistance[0] =
		"c2e44d8b2c97f4c14e39c8137cc62818f1a223dde1dfe9def8672c2a6fab8c04",
	    .more[0] =
		"5494597f0e8644d6028495c6599911cf30fc96a1b92a3a5dc862fecfc353c43d",
	    .plain.resistance[1] =
		"923405e7878b3e203cb531f688c10725d7a55edacc2b9f195f7137080b278ea1",
	    .more[1] =
		"e7635b6f9e63c08942c4b5c86b5e60bbe3e89ea3809fb3939985c93eedd17f8d",
	    .plain.answer =
		"5dbd55ed2f6d6c1749096b40f6a97d9cf42c0841b27ce0efd7433110d8118955"
		"c8cefeb9db8e1c7961eb3f517f2047d27281261760a5e2b24535bb6f565bb971",
	},
	{
	    .plain.name = "pr_true, personalized",
	    .plain.seed =
		"ca58fdf2b977cb49d4e05be23950d98a6ab3c52fdf74d5858fd1ba64547bdb1e"
		"c5ea24c0fa0c90150920924232364545",
	    .personal =
		"5a7095e98140523391537e75d6199d1ead0dc6a7de6c1fe0ea1833a87e0620e9",
	    .plain.resistance[0] =
		"7d20766bcfa215c82f9fbc883f80d12cb716d1809ee1c9b3881b2145efa17fce",
	    .plain.resistance[1] =
		"c89235552ad91d8e1238ac014e3818769cf2b6d413b62c77c0e7e60c474495be",
	    .plain.answer =
		"ce2fdbb6d9b7398504c5c042c231c61d9b5a59f87e0dcc627b65115510eb9e3d"
		"a4fb1c6a18c074dbdde702236321d039f9a7c452843b4940722bb06c9cdbc343",
	},
	{
	    .plain.name = "pr_true, personalized, additional input",
	    .plain.seed =
		"534346a3e0baa65d7a51871b6d633a6f1efa9ff55dfde3212c95029adf2387d9"
		"0cbe99821509975d824fd826c47d2abc",
	    .personal =
		"020d7340569e68d992e6e8ddfbead9f993c74d971e4339fe91074f87e9d7d777",
	    .plain.resistance[0] =
		"286091709d2e91bfef6654b8449d5e5564b6c2fe1f3e4e6e59fe776461bfb0dc",
	    .more[0] =
		"f41040eff2a7010287c2a76d7867a66e61299be1e1247a6b22a64b829ada8624",
	    .plain.resistance[1] =
		"e68e127b2e5b9d6539c26f7e78bec13314e37febdb7105d1d65f0bde23c87d38",
	    .more[1] =
		"94efe68e2185646a17bb8a83268142a7b7a02786c1ee90ab8f7399ccf543de26",
	    .plain.answer =
		"da6389d151e3b2b332fbcc02b2cc5af4f69835e9fbbe19130f91cbf30a3c2458"
		"0ebfb4311b3487e9d6a61de9dc2842c107152158b0e75a932c38e5b8ddff10e6",
	},
};

#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

#endif
